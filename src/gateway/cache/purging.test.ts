/** What is purged is gone, what was on its way too, and nothing else; projects and versions have nothing of each other. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { isopod } from "../../testing/command_line.ts";
import { ask, deploy, functionPath } from "../../testing/control_client.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** Answers as the query says with a number that no run has in common with another; `POST ?open` opens its gate. */
const CODE = `
  const gates = new Map();
  const gate = (name) => { if (!gates.has(name)) gates.set(name, Promise.withResolvers()); return gates.get(name); };
  export default async (request, env, ctx) => {
    const { pathname, searchParams: query } = new URL(request.url);
    if (request.method === "POST") {
      if (query.has("open")) gate(pathname).resolve();
      return new Response("posted", { status: Number(query.get("status") ?? 200) });
    }
    if (query.has("began")) return new Response(gates.has(pathname) ? "yes" : "no", { headers: { "x-of": "WHO" } });
    if (query.has("gate")) await gate(pathname).promise;
    const headers = { "cache-control": query.get("cc") ?? "max-age=60", "x-of": "WHO" };
    if (query.has("tag")) headers["cache-tag"] = query.get("tag");
    return new Response(ctx.requestId, { headers });
  };`;

const CONFIG = `
[[functions]]
name = "f"
path = "./f.js"
routes = ["ANY /f/*"]
instances = 1
`;

let server: TestServer;
let next = 0;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "f.js": CODE } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const address = (query: Record<string, string> = {}) => `/f/${++next}?${new URLSearchParams(query)}`;
const get = async (at: string) => (await fetch(server.url + at)).text();
const post = async (at: string) => (await fetch(server.url + at, { method: "POST" })).text();
const purge = (body: unknown, project = "default") => ask(server, "POST", `/v1/projects/${project}/cache/purge`, body);
const purged = async (body: unknown, project?: string) =>
  ((await purge(body, project)).body as unknown as { readonly purged: number }).purged;
const isKept = async (at: string) => {
  const first = await get(at);
  return (await get(at)) === first;
};
/** Fills an address through its gate, and does something while it is on its way. */
const meanwhile = async (at: string, act: () => Promise<unknown>) => {
  const path = at.slice(0, at.indexOf("?"));
  const first = get(at);
  while ((await get(`${path}?began`)) === "no");
  await act();
  await post(`${path}?open`);
  return first;
};

test("by address, tag and function, together and apart", async () => {
  const [one, two, three, four] = [
    address({ tag: "t1" }),
    address({ tag: "t1, t2,,t2" }),
    address(),
    address({ tag: "t3" }),
  ] as const;
  const all = [one, two, three, four];
  const before = await Promise.all(all.map(get));
  expect(await purged({ tags: ["t2"] })).toBe(1);
  expect(await purged({ urls: [server.url + one], tags: ["t3"] })).toBe(2);
  expect(await purged({ function: "other", tags: ["t1"] })).toBe(0);
  expect(await purged({ urls: [`${server.url + three}&`] })).toBe(0);
  const after = await Promise.all(all.map(get));
  expect(after.map((text, index) => text === before[index])).toEqual([false, false, true, false]);
  expect(await purged({ function: "f" })).toBe(4);
  expect(await isKept(one)).toBe(true);
  expect(await purged({ everything: true })).toBe(1);
});

test("nothing that is said purges nothing", async () => {
  for (const body of [{}, { everything: true, tags: ["a"] }, { everything: false }, { urls: [""] }, { tag: "a" }]) {
    expect((await purge(body)).status).toBe(400);
  }
  expect((await purge({ everything: true }, "nowhere")).status).toBe(404);
});

test("by the command line", async () => {
  const at = address({ tag: "cli" });
  const first = await get(at);
  const env = { ISOPOD_URL: server.adminUrl, ISOPOD_TOKEN: server.token };
  expect((await isopod(["cache", "purge"], { env })).code).toBe(2);
  const { code, stdout } = await isopod(["cache", "purge", "--tag", "cli"], { env });
  expect([code, stdout]).toEqual([0, "1 cached answer is forgotten\n"]);
  expect(await get(at)).not.toBe(first);
});

test("what was on its way is not kept, and who asks afterwards does not get it", async () => {
  const purges: readonly ((at: string) => unknown)[] = [
    (at) => ({ urls: [server.url + at] }),
    () => ({ tags: ["way"] }),
    () => ({ function: "f" }),
    () => ({ everything: true }),
  ];
  await get(address());
  for (const body of purges) {
    const at = address({ gate: "", tag: "way" });
    let late: Promise<string> | undefined;
    const first = await meanwhile(at, async () => {
      await purge(body(at));
      late = get(at);
    });
    expect(await late).not.toBe(first);
    expect(await get(at)).not.toBe(first);
  }
});

test("what was on its way is kept when another address, tag or function was purged", async () => {
  for (const body of [{ urls: [`${server.url}/f/x`] }, { tags: ["x"] }, { function: "x" }]) {
    const at = address({ gate: "", tag: "way" });
    const first = await meanwhile(at, () => purge(body));
    expect(await get(at)).toBe(first);
  }
});

test("what changes a resource makes what is kept of it old, and what was on its way; unless it fails", async () => {
  const at = address();
  const first = await get(at);
  await post(`${at}&`);
  await fetch(`${server.url}${at}`, { method: "OPTIONS" });
  const failing = address({ status: "409" });
  const kept = await get(failing);
  await post(failing);
  expect([await get(at), await get(failing)]).toEqual([first, kept]);
  await post(at);
  expect(await get(at)).not.toBe(first);
  const gated = address({ gate: "" });
  const old = await meanwhile(gated, () => post(gated));
  expect(await get(gated)).not.toBe(old);
});

test("many changes of other addresses leave what is on its way to be kept", async () => {
  const at = address({ gate: "" });
  const first = await meanwhile(at, async () => {
    for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 50 }, () => post(address())));
  });
  expect(await get(at)).toBe(first);
});

test("a function and a project that are gone leave nothing to those of the same name", async () => {
  const make = async () => {
    await ask(server, "POST", "/v1/projects", { name: "p" });
    await deploy(server, "gone", CODE, { project: "p", routes: [{ route: "ANY /gone" }] });
  };
  await make();
  const first = await get("/gone");
  expect(await get("/gone")).toBe(first);
  await ask(server, "DELETE", functionPath("gone", "", "p"));
  await make();
  const second = await get("/gone");
  expect(second).not.toBe(first);
  await ask(server, "DELETE", functionPath("gone", "", "p"));
  await ask(server, "DELETE", "/v1/projects/p");
  await make();
  expect(await get("/gone")).not.toBe(second);
});

test("whatever projects, versions and purges do, nobody gets another's answer", async () => {
  const random = seededRandom(7);
  const names = ["a", "b"];
  const current = new Map<string, string>();
  const release = async (project: string) => {
    const who = `${project}${random.below(1_000_000)}`;
    const settings = { routes: [{ route: `ANY ${project}.example/*` }] };
    await deploy(server, "same", CODE.replaceAll("WHO", who), { project, ...settings });
    current.set(project, who);
  };
  for (const project of names) {
    await ask(server, "POST", "/v1/projects", { name: project });
    await release(project);
  }
  const others = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));
  for (let round = 0; round < 150; round += 1) {
    const project = names[random.below(2)] as string;
    const action = random.below(20);
    if (action === 0) await release(project);
    else if (action === 1) await purge({ everything: true }, project);
    else {
      const at = `${server.url}/x${random.below(5)}`;
      const answer = await fetch(at, { headers: { host: `${project}.example` } });
      expect(answer.headers.get("x-of")).toBe(current.get(project) as string);
      others.get(project)?.add(await answer.text());
    }
  }
  const [a, b] = names.map((name) => others.get(name) as Set<string>);
  expect(a?.isDisjointFrom(b as Set<string>)).toBe(true);
});
