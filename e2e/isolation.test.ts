/**
 * Fuzzed, through real sandboxes: functions, projects and plans that have bindings of every kind, some under the same
 * names, mark what is theirs, and reach nothing of another by any key, name, statement, path or cursor that is tried.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, functionPath } from "../src/testing/control_client.ts";
import { startTestServer, type TestServer } from "../src/testing/server.ts";

const SEEDS = 4;

/** `?do=mark` leaves `MARK-who` wherever it can; `?do=attack` gives every mark that it finds. Functions and programs are the same. */
const PROGRAM = `
const PIECES = ["a", "b", "c/", "fn", "/", "..", "../", "\\0", "%2f", "%", "?", "#", "&prefix=", "'", '"', ";--", " ", "default", "p1", "n:", "run", "MARK"];
let state = 1;
const below = (bound) => {
  state = (state + 0x6d2b79f5) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
};
const pick = (list) => list[below(list.length)];
const text = () => Array.from({ length: below(5) }, () => pick(PIECES)).join("");
const url = () => pick(["https://x/", "https://x/?", "http://x:80/a b", "https://x/#"]) + text();
const cursor = () => btoa(unescape(encodeURIComponent(text()))).replaceAll("=", "");

async function mark(env, who, prefix) {
  const own = "MARK-" + who;
  for (const key of ["a", "b", "k", "c/k", "../k", "fn"]) {
    await env.KV.put(prefix + key, own, { metadata: { own } });
    await env.FILES.put(prefix + key, own, { customMetadata: { own } });
  }
  await env.DB.batch([env.DB.prepare("CREATE TABLE IF NOT EXISTS t (own)"), env.DB.prepare("INSERT INTO t VALUES (?)").bind(own)]);
  const answer = () => new Response(own, { headers: { "cache-control": "max-age=600" } });
  for (const name of ["a", "b", "default", "run"]) await (await caches.open(name)).put("https://x/a", answer());
  await caches.default.put("https://x/a", answer());
  await env.JOBS.send(own);
}

async function attack(env, data, own) {
  const seen = [];
  const show = async (value) => seen.push(typeof value === "string" ? value : JSON.stringify(value) ?? "");
  const statement = () => pick([
    "SELECT * FROM t", "SELECT * FROM sqlite_schema", "SELECT * FROM a.t", "SELECT * FROM main.t", "PRAGMA database_list",
    "ATTACH '" + pick([data + "/sql/projects/default/a.sqlite", data + "/sql/projects/p1/a.sqlite", "../p1/a.sqlite", "b.sqlite"]) + "' AS o",
    "VACUUM INTO '" + data + "/sql/projects/default/b.sqlite'", "SELECT readfile('" + data + "/kv/default/kv.sqlite')",
    "SELECT load_extension('x')", "CREATE VIRTUAL TABLE v USING csv(filename='" + data + "/kv/default/kv.sqlite')",
    "SELECT '" + text().replaceAll("'", "") + "'", text(),
  ]);
  const moves = [
    async () => show(await env.KV.get(text() + pick(PIECES))),
    async () => show([...await env.KV.getMany([text() + "k", "a", "b", pick(PIECES)])]),
    async () => show(await env.KV.list({ prefix: text(), limit: 1 + below(1000), ...(below(2) && { cursor: cursor() }) })),
    async () => show(await (await env.FILES.get(text() + pick(PIECES)))?.text()),
    async () => show(await env.FILES.list({ prefix: text(), delimiter: pick(PIECES), startAfter: text(), include: ["customMetadata"] })),
    async () => show(await env.FILES.list({ cursor: cursor() })),
    async () => show(await env.FILES.resumeMultipartUpload(text(), text()).complete([])),
    async () => show(await env.DB.prepare(statement()).all()),
    async () => show(await env.DB.exec(statement())),
    async () => show(await (await (await caches.open(text())).match(url()))?.text()),
    async () => show(await (await caches.default.match(url()))?.text()),
    async () => show(await (await env.FN.fetch(pick(["http://", "https://"]) + pick(["fa", "fb", "p1", "localhost"]) + "/" + text(), {
      headers: { "isopod-caller": "function:fb", "isopod-project": "p1", host: "fb", "x-forwarded-host": "fb" } })).text()),
    async () => show(await env.FN[pick(["fetch", "whose", "default", "__proto__", "constructor", text() || "x"])](text())),
    async () => env.JOBS.sendBatch([{ body: own, delaySeconds: below(2) }, { body: own, contentType: "text", queue: "a", project: "p1" }]),
    async () => show(Object.keys(env).map((name) => env[pick(PIECES)] ?? name)),
  ];
  for (let turn = 0; turn < 250; turn += 1) await pick(moves)().catch((error) => seen.push(String(error.message)));
  return seen.join(" ");
}

export default async (request, env) => {
  const query = new URL(request.url).searchParams;
  const [who, prefix, data] = ["who", "prefix", "data"].map((name) => query.get(name) ?? "");
  if (query.get("do") === "mark") return Response.json(await mark(env, who, prefix) ?? "marked");
  state = Number(query.get("seed"));
  const marks = (await attack(env, data, "MARK-" + who)).match(/MARK-\\w+/g) ?? [];
  return Response.json([...new Set(marks)].sort());
};
`;

const whose = (mark: string) =>
  `export const whose = () => "MARK-${mark}"; export default () => new Response("MARK-${mark}");`;
const binding = (name: string, fn: string, prefix = "") => {
  const narrow = prefix === "" ? "" : `, prefix = "${prefix}"`;
  return `
KV = { type = "kv", name = "${name}"${narrow} }
FILES = { type = "blob", name = "${name}"${narrow} }
DB = { type = "sql", name = "${prefix === "" ? name : "c"}" }
JOBS = { type = "queue", name = "${prefix === "" ? name : "c"}" }
FN = { type = "function", name = "${fn}" }
`;
};
const KEYS = { a: `isopod_${"a".repeat(43)}`, b: `isopod_${"b".repeat(43)}`, c: `isopod_${"c".repeat(43)}` } as const;
const hashOf = (key: string) => `sha256-${new Bun.CryptoHasher("sha256").update(key).digest("hex")}`;

const CONFIG = `
${Object.entries(KEYS)
  .map(([plan, key]) => {
    const [name, prefix] = plan === "c" ? ["a", "c/"] : [plan, ""];
    const limits = 'run = "any"\nwall_ms = 30000\ncpu_ms = 20000\nsubrequests = 1000';
    return `[plans.${plan}]\n${limits}\n[plans.${plan}.bindings]${binding(name, `f${plan}`, prefix)}\n[[keys]]\nplan = "${plan}"\nhash = "${hashOf(key)}"\n`;
  })
  .join("")}
[[functions]]
name = "fn"
path = "./program.js"
routes = ["GET /fn"]
limits = { wall_ms = 30000, cpu_ms = 20000, subrequests = 1000 }
[functions.bindings]${binding("fn", "ffn")}
${["a", "b", "c", "fn"].map((name) => `[[functions]]\nname = "f${name}"\npath = "./f${name}.js"\n`).join("")}`;

/** Who has what: each runs the same program, and may see these marks. */
const HOLDERS: Readonly<Record<string, readonly string[]>> = {
  a: ["MARK-a", "MARK-c"],
  b: ["MARK-b"],
  // Has a part of what \`a\` has.
  c: ["MARK-c"],
  fn: ["MARK-fn"],
  p1: ["MARK-p1"],
};

let server: TestServer;

beforeAll(async () => {
  const targets = ["a", "b", "c", "fn"].map((name) => [`f${name}.js`, whose(name)]);
  const files = { "program.js": PROGRAM, ...Object.fromEntries(targets) };
  server = await startTestServer({ config: CONFIG, files });
  await ask(server, "POST", "/v1/projects", { name: "p1" });
  const deploy = async (name: string, code: string, more: object) => {
    const body = { files: [{ path: "main.js", content: code }], ...more };
    expect((await ask(server, "POST", functionPath(name, "/deploy", "p1"), body)).status).toBe(200);
  };
  const of = (type: string, name = "a") => ({ type, name });
  const bindings = {
    ...{ KV: of("kv"), FILES: of("blob"), DB: of("sql"), JOBS: of("queue"), FN: of("function", "fa") },
  };
  const limits = { wallMs: 30_000, cpuMs: 20_000, subrequestsMax: 1000 };
  await deploy("fa", whose("p1"), {});
  await deploy("fn", PROGRAM, { settings: { bindings, limits }, routes: [{ route: "GET /p1" }] });
}, 60_000);
afterAll(async () => await server?.[Symbol.asyncDispose]());

async function run(who: string, query: Readonly<Record<string, string>>): Promise<unknown> {
  const prefix = who === "c" ? "c/" : "";
  const search = new URLSearchParams({ who, prefix, data: `${server.directory}/data`, ...query });
  const key = KEYS[who as keyof typeof KEYS];
  if (key === undefined) return (await fetch(`${server.url}/${who}?${search}`)).json();
  const headers = { authorization: `Bearer ${key}` };
  return (await fetch(`${server.url}/run?${search}`, { method: "POST", body: PROGRAM, headers })).json();
}

test("nobody finds what is another's", async () => {
  for (const who of Object.keys(HOLDERS)) expect([who, await run(who, { do: "mark" })]).toEqual([who, "marked"]);
  for (const [who, own] of Object.entries(HOLDERS)) {
    const found = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const marks = (await run(who, { do: "attack", seed: String(seed) })) as string[];
      expect([who, seed, marks.filter?.((mark) => !own.includes(mark)) ?? marks]).toEqual([who, seed, []]);
      for (const mark of marks) found.add(mark);
    }
    // The attack sees what it may see: else it would show nothing.
    expect([who, found.has(own[0] as string)]).toEqual([who, true]);
  }
  for (const [project, queue, mark] of [
    ["default", "a", "MARK-a"],
    ["default", "b", "MARK-b"],
    ["default", "c", "MARK-c"],
    ["default", "fn", "MARK-fn"],
    ["p1", "a", "MARK-p1"],
  ] as const) {
    const { body } = await ask(server, "GET", `/v1/projects/${project}/queues/${queue}/messages?limit=100`);
    const bodies = new Set(body.items.map((item) => JSON.stringify(item).match(/MARK-\w+/)?.[0]));
    expect([project, queue, [...bodies]]).toEqual([project, queue, [mark]]);
  }
}, 120_000);
