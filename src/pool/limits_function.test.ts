/**
 * The attacks on a deployed function: what breaks a limit ends and is told which, an innocent invocation on another
 * instance of the same function goes on, and so does a second function.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Attack, attack, GRACE_MS, STEADY } from "../testing/attack_rig.ts";
import { type Outcome, outcomeOf, recordedError } from "../testing/outcome.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const MB = 1024 * 1024;
const CPU_MS = 400;

const TARGET = `
const attacks = {
  loop() { for (;;); },
  async microtasks() { for (;;) await 0; },
  regex() { for (let i = 0; i < 100; i++) if (/^(a+)+$/.test("a".repeat(48) + "!")) return i; },
  heap() { const all = []; for (;;) all.push({ x: new Array(1000).fill(all.length) }); },
  buffers() { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); },
  shared() { const all = []; for (;;) all.push(new Uint8Array(new SharedArrayBuffer(1 << 20)).fill(1)); },
  wasm() { const m = new WebAssembly.Memory({ initial: 1, maximum: 65536 }); for (;;) { const at = m.grow(16); new Uint8Array(m.buffer).fill(1, at * 65536); } },
  wait() { return new Promise(() => {}); },
  log() { const line = "x".repeat(1 << 14); for (let i = 0; i < 65536; i++) console.log(line); },
  async *answer() { for (;;) yield new Uint8Array(65536); },
  async workers() { const at = URL.createObjectURL(new Blob(["for (;;);"])); for (;;) { new Worker(at); await Bun.sleep(1); } },
};
let open = Promise.withResolvers();
export default {
  async fetch(request, env, ctx) {
    const name = new URL(request.url).pathname.slice("/target/".length);
    if (name === "innocent") return new Response(new ReadableStream({
      start(controller) { controller.enqueue(new TextEncoder().encode("begun ")); },
      async pull(controller) {
        await Bun.sleep(Number(ctx.params.ms ?? 700));
        controller.enqueue(new TextEncoder().encode("done"));
        controller.close();
      },
    }, { highWaterMark: 0 }));
    const result = attacks[name]();
    if (name === "answer") return new Response(ReadableStream.from ? ReadableStream.from(result) : result);
    return new Response(String(await result));
  },
};`;

const CONFIG = `${STEADY.config}
[plans.anonymous]
run = "any"
concurrency = 64
[[functions]]
name = "target"
path = "./target.js"
routes = ["GET /target/*"]
instances = 4
limits = { wall_ms = 5000, cpu_ms = ${CPU_MS}, memory_mb = 96, concurrency = 1, log_kb = 256, response_mb = 4 }
`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: CONFIG, files: { ...STEADY.files, "target.js": TARGET }, prewarmed: 2 });
});
afterAll(() => server[Symbol.asyncDispose]());

const call = (name: string) => fetch(`${server.url}/target/${name}`);

/** The attack, begun while an innocent invocation is under way. */
async function attackBeside(name: string): Promise<Attack<{ attacked: Outcome; innocent: Outcome }>> {
  const innocent = await call("innocent");
  return attack(
    server,
    `function ${name}`,
    async () => {
      const attacked = await outcomeOf(server, await call(name));
      return { attacked, innocent: await outcomeOf(server, innocent) };
    },
    96 * MB,
  );
}

const cases = [
  ["loop", "cpu_limit", "cpuMs", CPU_MS],
  ["microtasks", "cpu_limit", "cpuMs", CPU_MS],
  ["regex", "cpu_limit", "cpuMs", CPU_MS],
  ["heap", "memory_limit", "memoryBytes", 96 * MB],
  ["buffers", "memory_limit", "memoryBytes", 96 * MB],
  ["shared", "memory_limit", "memoryBytes", 96 * MB],
  ["wait", "wall_limit", "wallMs", 5000],
  ["log", "log_limit", "logBytesMax", 256 * 1024],
  ["answer", "response_limit", "responseBytesMax", 4 * MB],
] as const;

describe("what breaks a limit ends alone", () => {
  for (const [name, code, limit, value] of cases) {
    test(name, async () => {
      const seen = await attackBeside(name);
      const { attacked, innocent } = seen.result;
      expect(attacked.error).toMatchObject({ code, limit: { name: limit, value } });
      expect(attacked.cut).toBe(name === "answer");
      expect(innocent).toMatchObject({ status: 200, text: "begun done", cut: false });
      expect(seen.cpuMs).toBeLessThan(CPU_MS + GRACE_MS + seen.lagMs);
      expect(seen.overMemoryMs).toBeLessThan(GRACE_MS + seen.lagMs);
      expect(seen.steady.failed).toBe(0);
      expect(seen.steady.p99Ms).toBeLessThan(1000);
    }, 20_000);
  }

  for (const name of ["wasm", "workers"]) {
    test(name, async () => {
      const seen = await attackBeside(name);
      expect(["memory_limit", "cpu_limit", "program_ended"]).toContain(seen.result.attacked.error?.code ?? "");
      expect(seen.result.innocent).toMatchObject({ status: 200, text: "begun done" });
      expect(seen.steady.failed).toBe(0);
    }, 20_000);
  }
});

test("after all that the function answers", async () => {
  expect(await (await call("innocent")).text()).toBe("begun done");
});

describe("the top level of a function", () => {
  async function firstCall(code: string, limits: string): Promise<Attack<Outcome>> {
    const config = `${STEADY.config}[[functions]]\nname = "top"\npath = "./top.js"\nroutes = ["GET /top"]\nlimits = { ${limits} }\n`;
    await using own = await startTestServer({
      config,
      files: { ...STEADY.files, "top.js": `${code}\nexport default () => "never";` },
    });
    return await attack(own, `top level: ${code}`, async () => outcomeOf(own, await fetch(`${own.url}/top`)), 96 * MB);
  }

  test("is held to the processor time", async () => {
    const seen = await firstCall("for (;;);", `cpu_ms = ${CPU_MS}`);
    expect(seen.result.error).toMatchObject({ code: "cpu_limit", limit: { name: "cpuMs", value: CPU_MS } });
    expect(seen.cpuMs).toBeLessThan(CPU_MS + GRACE_MS + seen.lagMs);
    expect(seen.steady.failed).toBe(0);
  }, 20_000);

  test("is held to the memory", async () => {
    const seen = await firstCall(
      "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1));",
      "memory_mb = 96",
    );
    expect(seen.result.error).toMatchObject({ code: "memory_limit", limit: { name: "memoryBytes", value: 96 * MB } });
    expect(seen.overMemoryMs).toBeLessThan(GRACE_MS + seen.lagMs);
  }, 20_000);

  test("is held to the wall time", async () => {
    const seen = await firstCall("await new Promise(() => setInterval(() => {}, 1000));", "wall_ms = 500");
    expect(seen.result.error).toMatchObject({ code: "wall_limit", limit: { name: "wallMs", value: 500 } });
    expect(seen.elapsedMs).toBeLessThan(500 + GRACE_MS + 2 * seen.lagMs);
  }, 20_000);

  test("may use what one invocation may", async () => {
    const code = "const until = performance.now() + 1500; while (performance.now() < until);";
    const config = `[[functions]]\nname = "top"\npath = "./top.js"\nroutes = ["GET /top"]\n`;
    await using own = await startTestServer({ config, files: { "top.js": `${code}\nexport default () => "loaded";` } });
    expect(await (await fetch(`${own.url}/top`)).json()).toBe("loaded");
  }, 20_000);
});

async function running({ server: { status } }: TestServer, count: number): Promise<void> {
  while ((status() as { pool: { invocations: number } }).pool.invocations !== count)
    await new Promise((resolve) => setImmediate(resolve));
}

describe("an invocation whose caller has hung up", () => {
  const code = `export default async (request, env, ctx) => {
    const name = new URL(request.url).pathname;
    if (name === "/one/loop") for (;;);
    if (name === "/one/after") { ctx.waitUntil(Bun.sleep(300).then(() => console.log("after-work is done"))); return "answered"; }
    return "fine";
  };`;
  const config = `[[functions]]\nname = "one"\npath = "./one.js"\nroutes = ["GET /one/*"]\ninstances = 1\nlimits = { wall_ms = 8000, cpu_ms = 4000 }\n`;

  test("does not go on in a loop, and is not what the next one is ended for", async () => {
    await using own = await startTestServer({ config, files: { "one.js": code } });
    expect(await (await fetch(`${own.url}/one/`)).json()).toBe("fine");
    // The first one counts until its end has been noted, too.
    await running(own, 0);
    const gone = new AbortController();
    const stuck = fetch(`${own.url}/one/loop`, { signal: gone.signal }).catch(() => "gone");
    await running(own, 1);
    gone.abort();
    expect(await stuck).toBe("gone");
    await running(own, 0);
    const startedAt = performance.now();
    const next = await fetch(`${own.url}/one/`);
    expect(next.status).toBe(200);
    expect(await next.json()).toBe("fine");
    // Far below the four seconds that the loop could have gone on for.
    expect(performance.now() - startedAt).toBeLessThan(2000);
  }, 20_000);

  test("goes on with its after-work when the answer was complete", async () => {
    await using own = await startTestServer({ config, files: { "one.js": code } });
    const response = await fetch(`${own.url}/one/after`, { headers: { connection: "close" } });
    expect(await response.json()).toBe("answered");
    const requestId = response.headers.get("isopod-request-id") ?? "";
    expect(await recordedError(own, requestId)).toBeUndefined();
    const record = (await (await own.admin(`/v1/invocations/${requestId}`)).json()) as {
      logs: { text: string }[];
    };
    expect(record.logs.map(({ text }) => text)).toEqual(["after-work is done"]);
  }, 20_000);
});
