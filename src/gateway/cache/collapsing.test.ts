/** Identical requests in flight: what runs once, what is never held up, and who cannot harm whom. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { deploy } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/**
 * Waits at a gate that another request opens, and counts its runs by path. `stream` sends a piece before it waits and
 * `stream` bytes after it; `fail` makes the first so many runs throw.
 */
const CODE = `
  const gates = new Map(), runs = new Map();
  const gate = (name) => { if (!gates.has(name)) gates.set(name, Promise.withResolvers()); return gates.get(name); };
  export default async (request) => {
    const { pathname, searchParams: query } = new URL(request.url);
    if (query.has("open")) { gate(pathname).resolve(); return new Response("opened"); }
    if (query.has("runs")) return new Response(String(runs.get(pathname) ?? 0));
    const run = (runs.get(pathname) ?? 0) + 1;
    runs.set(pathname, run);
    const headers = { "cache-control": query.get("cc") ?? "max-age=60", "x-run": String(run) };
    if (query.has("vary")) headers.vary = query.get("vary");
    const text = run + " " + (request.headers.get("accept-language") ?? "") + " ";
    if (query.has("stream")) {
      const more = Number(query.get("stream"));
      let step = 0;
      return new Response(new ReadableStream({
        async pull(c) {
          if (step++ === 0) return c.enqueue(new TextEncoder().encode(text));
          if (step === 2) await gate(pathname).promise;
          if (query.has("break")) throw new Error("broken off");
          for (let left = more; left > 0; left -= 65536) c.enqueue(new Uint8Array(Math.min(left, 65536)));
          c.close();
        },
      }), { headers });
    }
    if (query.has("gate")) await gate(pathname).promise;
    if (run <= Number(query.get("fail") ?? 0)) throw new Error("fails");
    return new Response(text, { headers });
  };`;

const CONFIG = `
[[functions]]
name = "f"
path = "./f.js"
routes = ["ANY /f/*"]
instances = 1
limits = { concurrency = 500, memory_mb = 256 }
[plans.anonymous]
run = "any"
concurrency = 1000
`;

let server: TestServer;
let next = 0;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "f.js": CODE } });
  // From here on it is known as a function whose answers are kept.
  await get("/f/known?");
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const address = (query: Record<string, string> = {}) => `/f/${++next}?${new URLSearchParams(query)}`;
const bare = (at: string) => at.slice(0, at.indexOf("?"));
const get = async (at: string, headers: Record<string, string> = {}, signal?: AbortSignal) => {
  const answer = await fetch(server.url + at, { headers, ...(signal && { signal }) });
  const bytes = (await answer.arrayBuffer()).byteLength;
  return { status: answer.status, run: answer.headers.get("x-run"), bytes, cache: answer.headers.get("cache-status") };
};
/** By POST: what is asked beside the answers that are looked at must not be seen as one of them. */
const post = (at: string) => fetch(server.url + at, { method: "POST" });
const runsOf = async (at: string) => Number(await (await post(`${bare(at)}?runs`)).text());
const open = (at: string) => post(`${bare(at)}?open`);
const admitted = () => (server.server.status() as { admission: { admitted: number } }).admission.admitted;
/** Waits, turn by turn of the event loop, until something is so. */
const until = async (isSo: () => boolean | Promise<boolean>) => {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
};

test("100 at a time run once, and say so", async () => {
  const at = address({ gate: "" });
  const all = Array.from({ length: 100 }, () => get(at));
  await until(() => admitted() === 100);
  await open(at);
  const answers = await Promise.all(all);
  expect(new Set(answers.map(({ run, status }) => `${status} ${run}`))).toEqual(new Set(["200 1"]));
  expect(await runsOf(at)).toBe(1);
  const told = answers.map(({ cache }) => cache).sort();
  expect(told[0]).toBe("isopod; fwd=miss; collapsed");
  expect(told[99]).toBe("isopod; fwd=miss; stored");
  expect((await get(at)).cache).toStartWith("isopod; hit; ttl=");
});

test("get a stream as it arrives, the late ones from its beginning", async () => {
  const at = address({ stream: "3000000" });
  const first = await fetch(server.url + at);
  const late = await Promise.all(Array.from({ length: 20 }, () => fetch(server.url + at)));
  // Every head is here, and the body is not there yet.
  expect(await runsOf(at)).toBe(1);
  await open(at);
  for (const answer of [first, ...late]) expect((await answer.arrayBuffer()).byteLength).toBe(3_000_003);
  expect((await get(at)).cache).toStartWith("isopod; hit; ttl=");
});

test("get all of a long answer, however much slower than another they read it", async () => {
  const bytes = 40_000_000;
  const at = address({ stream: String(bytes) });
  const first = await fetch(server.url + at);
  const slow = await Promise.all(Array.from({ length: 3 }, () => fetch(server.url + at)));
  expect(await runsOf(at)).toBe(1);
  await open(at);
  // These read nothing until the first has all.
  expect((await first.arrayBuffer()).byteLength).toBe(bytes + 3);
  await slow[2]?.body?.cancel();
  for (const answer of slow.slice(0, 2)) expect((await answer.arrayBuffer()).byteLength).toBe(bytes + 3);
  expect(await runsOf(at)).toBe(1);
  expect(existsSync(join(server.directory, "data", "cache"))).toBe(true);
  expect(readdirSync(join(server.directory, "data", "cache"))).toEqual([]);
});

test("go on when the first hangs up, before the head and within the body", async () => {
  for (const query of [{ gate: "" }, { stream: "1000" }]) {
    const at = address(query);
    const hangUp = new AbortController();
    const first = get(at, {}, hangUp.signal).catch(() => "gone");
    await until(async () => (await runsOf(at)) === 1);
    const others = Array.from({ length: 5 }, () => get(at));
    await until(() => admitted() === 6);
    hangUp.abort();
    expect(await first).toBe("gone");
    await until(() => admitted() === 5);
    await open(at);
    for (const { status, run } of await Promise.all(others)) expect([status, run]).toEqual([200, "1"]);
    expect(await runsOf(at)).toBe(1);
  }
});

test("end when all hang up, and leave nothing in the place of the next", async () => {
  const at = address({ gate: "" });
  const hangUp = new AbortController();
  const all = Array.from({ length: 5 }, () => get(at, {}, hangUp.signal).catch(() => "gone"));
  await until(() => admitted() === 5);
  // Who hangs up before it has begun makes no run.
  await until(async () => (await runsOf(at)) === 1);
  hangUp.abort();
  expect(new Set(await Promise.all(all))).toEqual(new Set(["gone"]));
  await until(() => admitted() === 0);
  const again = get(at);
  await until(async () => (await runsOf(at)) === 2);
  await open(at);
  expect((await again).run).toBe("2");
});

test("run by themselves when the first fails: nobody is told of another's failure", async () => {
  const at = address({ gate: "", fail: "1" });
  const all = Array.from({ length: 10 }, () => get(at));
  await until(() => admitted() === 10);
  await until(async () => (await runsOf(at)) === 1);
  await open(at);
  const statuses = (await Promise.all(all)).map(({ status }) => status).sort();
  expect(statuses).toEqual([...Array.from({ length: 9 }, () => 200), 500]);
});

test("are cut off when the one that they follow is, and nothing of it is kept", async () => {
  const at = address({ stream: "10", break: "" });
  const all = await Promise.all(Array.from({ length: 5 }, () => fetch(server.url + at)));
  await open(at);
  for (const answer of all) expect(await answer.arrayBuffer().catch(() => "cut off")).toBe("cut off");
  await fetch(server.url + at).then((answer) => answer.arrayBuffer().catch(() => {}));
  expect(await runsOf(at)).toBe(2);
});

test("wait only for those that answer their own variant", async () => {
  const at = address({ vary: "accept-language" });
  await get(at, { "accept-language": "xx" });
  const gated = `${bare(at)}?${new URLSearchParams({ vary: "accept-language", gate: "" })}`;
  await open(at);
  const languages = ["de", "en", "fr", "de", "en", "fr"];
  const answers = await Promise.all(languages.map((language) => get(gated, { "accept-language": language })));
  for (const [index, { bytes }] of answers.entries()) expect(bytes).toBe(`1 ${languages[index]} `.length);
});

test("are never held up where nothing is kept: a version that has kept nothing, an address that was not kept", async () => {
  const code = CODE.replace("max-age=60", "no-store");
  await deploy(server, "unknown", code, { routes: [{ route: "ANY /unknown/*" }] });
  const known = address({ cc: "no-store" });
  await get(known);
  const gated = `${bare(known)}?${new URLSearchParams({ cc: "no-store", gate: "" })}`;
  await open(known);
  await get(gated);
  for (const at of ["/unknown/1?gate=", "/unknown/2?gate="]) {
    const all = Array.from({ length: 8 }, () => get(at));
    // All of them run at the same time: none has answered yet.
    await until(async () => (await runsOf(at)) === 8);
    await open(at);
    await Promise.all(all);
  }
});

test("with a cookie or a credential run by themselves", async () => {
  for (const headers of [{ cookie: "a=1" }, { authorization: "Basic eDp5" }] as Record<string, string>[]) {
    const at = address({ gate: "" });
    const all = Array.from({ length: 4 }, () => get(at, headers));
    await until(async () => (await runsOf(at)) === 4);
    await open(at);
    await Promise.all(all);
  }
});
