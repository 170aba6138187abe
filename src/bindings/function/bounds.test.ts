/**
 * What ends calls of functions by functions, through a real server: callers who hang up or run out of time, callees that
 * die or strike their limits, circles, and numbers of calls.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { descendants, instances } from "../../testing/children.ts";
import { deploy, functionPath } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** A link of a chain: calls the next one, or does what is asked when there is none. */
const LINK = `
  const told = (call) => call.then(
    (value) => Response.json({ value }),
    ({ name, message, code }) => Response.json({ name, message, code }));
  let later, goOn;
  export const deadline = function () { return this.ctx.deadline; };
  export const size = (value) => value.length;
  export const grow = (length) => "x".repeat(length);
  export const hang = () => new Promise(() => {});
  export default { async fetch(request, env, ctx) {
    const query = new URL(request.url).searchParams;
    const [how, count] = ["how", "count"].map((name) => query.get(name));
    const { NEXT } = env;
    if (NEXT !== undefined) {
      if (how === "deadlines") return Response.json([ctx.deadline, await NEXT.deadline()]);
      if (how === "size") return told(NEXT.size("x".repeat(Number(count))));
      if (how === "grow") return told(NEXT.grow(Number(count)));
      if (how === "told") return told(NEXT.fetch(request.url.replace("told", query.get("then"))).then((r) => r.text()));
      if (how === "many") {
        const calls = Array.from({ length: Number(count) }, async (_, at) =>
          (await NEXT.fetch("http://x/?how=echo&count=" + at)).text());
        return Response.json((await Promise.all(calls)).reduce((sum, text) => sum + Number(text), 0));
      }
      if (how === "forget") { NEXT.fetch("http://x/?how=wait"); return new Response("done"); }
      if (how === "abandon") {
        const ender = new AbortController();
        const call = NEXT.fetch("http://x/?how=wait", { signal: ender.signal });
        ender.abort();
        return told(call);
      }
      if (how === "unread") {
        const { body } = await NEXT.fetch("http://x/?how=flow");
        await body.cancel();
        return new Response("done");
      }
      if (how === "later") { later = told(new Promise((resolve) => { goOn = resolve; }).then(() => NEXT.size(""))); return new Response(""); }
      if (how === "now") { goOn(); return later; }
      if (how === "exit" && ctx.function.name === "two") setTimeout(() => process.exit(1), 50);
      return NEXT.fetch(request.url, { method: request.method, body: request.body });
    }
    switch (how) {
      case "echo": return new Response(count);
      case "wait":
      case "exit": return new Promise(() => {});
      case "spin": for (;;);
      case "flow": return new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(1000)) }));
      case "throw": throw new RangeError("thrown there");
      case "crash": process.exit(3);
      case "hoard": { const held = []; for (;;) held.push(new Uint8Array(1e6).fill(1)); }
      case "cut": return new Response(new ReadableStream({
        start: (c) => c.enqueue(new Uint8Array(1)), pull: () => Bun.sleep(5).then(() => process.exit(1)) }));
    }
  } };`;

const LOOP = `export default { async fetch(request, env) {
  if (request.url.endsWith("/plain")) return new Response("alive");
  return env.NEXT.fetch("http://next/").then(
    async (r) => new Response(await r.text(), { status: r.status }), (e) => new Response(e.code, { status: 500 }));
} };`;

const fn = (name: string, next: string | undefined, limits: string, more = "") => `
[[functions]]
name = "${name}"
path = "./${name === "left" || name === "right" ? "loop" : "link"}.js"
routes = ["ANY /${name}", "ANY /${name}/*"]
limits = { ${limits} }
${more}
${next === undefined ? "" : `[functions.bindings]\nNEXT = { type = "function", name = "${next}" }`}
`;
const CONFIG = `
[pool]
prewarmed = 0
queue = 600
${fn("one", "two", "wall_ms = 60000, subrequests = 1000, concurrency = 1000")}
${fn("two", "three", "wall_ms = 60000, concurrency = 1000")}
${fn("three", undefined, "wall_ms = 60000, memory_mb = 64, cpu_ms = 1000, body_mb = 1, response_mb = 1, concurrency = 1000")}
${fn("hasty", "three", "wall_ms = 400")}
${fn("patient", "brief", "wall_ms = 60000")}
${fn("brief", undefined, "wall_ms = 100")}
${fn("frugal", "two", "subrequests = 2")}
${fn("left", "right", "wall_ms = 1000, concurrency = 1", "instances = 1")}
${fn("right", "left", "wall_ms = 1000, concurrency = 1", "instances = 1")}
${fn("self", "self", "wall_ms = 60000, concurrency = 1")}
`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { "link.js": LINK, "loop.js": LOOP } });
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const ask = (name: string, how: string, more = "") => fetch(`${server.url}/${name}?how=${how}${more}`);
const told = async (name: string, how: string, more = "") => (await (await ask(name, how, more)).json()) as Told;
interface Told {
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

const running = () => (server.server.status() as { pool: { invocations: number } }).pool.invocations;
/** Waits until that many invocations are under way; says for how long. */
async function untilRunning(count: number): Promise<number> {
  const since = performance.now();
  while (running() !== count && performance.now() - since < 5000) await Bun.sleep(1);
  expect(running()).toBe(count);
  return performance.now() - since;
}

describe("the end of a caller ends what it has called", () => {
  for (const how of ["wait", "flow", "spin"]) {
    test(`its client hangs up, and the last of the chain is to ${how}`, async () => {
      await (await ask("one", "echo", "&count=1")).text();
      const hangUp = new AbortController();
      const call = fetch(`${server.url}/one?how=${how}`, { signal: hangUp.signal }).then((r) =>
        r.body?.getReader().read(),
      );
      call.catch(() => {});
      await untilRunning(3);
      hangUp.abort();
      // 100 ms where nothing else runs; one that does not let its event loop turn is killed.
      expect(await untilRunning(0)).toBeLessThan(2000);
      expect(await (await ask("one", "echo", "&count=7")).text()).toBe("7");
    });
  }

  test("it comes to its deadline", async () => {
    const [own, callee] = (await (await ask("hasty", "deadlines")).json()) as [number, number];
    expect(callee).toBeWithin(own - 400, own + 20);
    const begun = performance.now();
    const answer = await ask("hasty", "wait");
    expect([answer.status, ((await answer.json()) as { error: Told }).error.code]).toEqual([504, "wall_limit"]);
    expect(performance.now() - begun).toBeWithin(390, 2000);
    await untilRunning(0);
  });

  test("it answers without waiting, gives the call or its answer up, or dies", async () => {
    for (const how of ["forget", "unread"]) expect(await (await ask("one", how)).text()).toBe("done");
    expect((await told("one", "abandon")) as unknown).toMatchObject({ name: "AbortError" });
    await untilRunning(0);
    const answer = await ask("one", "exit");
    expect(answer.status).toBe(500);
    await answer.text();
    await untilRunning(0);
  });

  test("it ran between invocations, and has no right to call", async () => {
    await (await ask("brief", "echo", "&count=1")).text();
    await (await ask("patient", "later")).text();
    expect((await told("patient", "now")).code).toBe("binding_denied");
  });
});

describe("the end of a callee is named to its caller", () => {
  const endings = {
    throw: ["uncaught_exception", "thrown there"],
    crash: ["program_ended", ""],
    spin: ["cpu_limit", ""],
    hoard: ["memory_limit", ""],
    cut: ["program_ended", ""],
    flow: ["response_limit", ""],
  } as const;
  for (const [how, [code, message]] of Object.entries(endings)) {
    test(`${how}: ${code}`, async () => {
      // By two, which has three as its next.
      const { code: got, message: said } = await told("two", "told", `&then=${how}`);
      expect([got, said]).toEqual([code, expect.stringContaining(message)]);
    });
  }

  test("its own deadline, a body or a result that is too large", async () => {
    expect(await told("patient", "told", "&then=wait")).toMatchObject({ code: "wall_limit" });
    const long = 1024 * 1024;
    expect(await told("two", "size", `&count=${long - 10}`)).toEqual({ value: long - 10 });
    expect(await told("two", "size", `&count=${long}`)).toMatchObject({ code: "body_too_large" });
    expect(await told("two", "grow", `&count=${long}`)).toMatchObject({ code: "response_limit" });
  });

  test("kill -9, and the next call is answered by another instance", async () => {
    await deploy(server, "victim", LINK, { path: "main.js" });
    const settings = { bindings: { NEXT: { type: "function", name: "victim" } } };
    await deploy(server, "hunter", LINK, { path: "main.js", settings, routes: [{ route: "ANY /hunter" }] });
    await (await ask("hunter", "deadlines")).text();
    const pids = async (act: () => unknown) => {
      const before = new Set(descendants());
      await act();
      return instances().filter((pid) => !before.has(pid));
    };
    let call: Promise<Told> | undefined;
    const fresh = await pids(async () => {
      // Another version has instances of its own.
      await deploy(server, "victim", `// anew\n${LINK}`, { path: "main.js" });
      call = told("hunter", "told", "&then=wait");
      await untilRunning(2);
    });
    expect(fresh.length).toBeGreaterThan(0);
    for (const pid of fresh) process.kill(pid, "SIGKILL");
    expect(await call).toMatchObject({ code: "program_ended" });
    expect(await (await ask("hunter", "echo", "&count=5")).text()).toBe("5");
  });

  test("a function that was deleted is not there, and is again when it is deployed", async () => {
    await deploy(server, "gone", LINK, { path: "main.js" });
    const settings = { bindings: { NEXT: { type: "function", name: "gone" } } };
    await deploy(server, "asker", LINK, { path: "main.js", settings, routes: [{ route: "ANY /asker" }] });
    expect(await told("asker", "size", "&count=3")).toEqual({ value: 3 });
    await server.admin(functionPath("gone"), { method: "DELETE" });
    expect(await told("asker", "size", "&count=3")).toMatchObject({ code: "not_found" });
    await deploy(server, "gone", LINK, { path: "main.js" });
    expect(await told("asker", "size", "&count=3")).toEqual({ value: 3 });
  });
});

describe("circles and numbers", () => {
  test("one calls itself eight deep", async () => {
    const answer = await ask("self", "echo");
    expect([answer.status, ((await answer.json()) as { error: Told }).error.message]).toEqual([
      500,
      expect.stringContaining("8 calls of functions stand upon one another"),
    ]);
    await untilRunning(0);
  });

  test("circles with room for one end by their callers' deadlines, and the server answers on", async () => {
    const begun = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const answer = await fetch(`${server.url}/${at % 2 === 0 ? "left" : "right"}/`);
        return [answer.status, await answer.text()] as const;
      }),
    );
    for (const [status] of answers) expect([500, 503, 504]).toContain(status);
    expect(performance.now() - begun).toBeLessThan(10_000);
    await untilRunning(0);
    for (const name of ["left", "right"]) {
      expect(await (await fetch(`${server.url}/${name}/plain`)).text()).toBe("alive");
    }
  });

  test("500 at a time, each with another below it, lose nothing", async () => {
    expect(await (await ask("one", "many", "&count=500")).json()).toBe(124_750);
  }, 20_000);

  test("calls are outgoing requests of their caller", async () => {
    expect(await (await ask("frugal", "many", "&count=2")).json()).toBe(1);
    const { error } = (await (await ask("frugal", "many", "&count=3")).json()) as { error: Told };
    expect(error).toMatchObject({ code: "subrequest_limit", limit: { name: "subrequestsMax", value: 2 } });
  });
});
