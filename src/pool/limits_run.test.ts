/**
 * Every attack of the issue as a program sent to /run: it ends at its limit, the caller is told which, and a second
 * function goes on answering.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { type Attack, attack, GRACE_MS, STEADY } from "../testing/attack_rig.ts";
import { type Outcome, outcomeOf } from "../testing/outcome.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";

const CPU_MS = 400;
const WALL_MS = 3000;
const MB = 1024 * 1024;

const PLAN = `[plans.anonymous]
run = "any"
concurrency = 16
`;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: PLAN + STEADY.config, files: STEADY.files, prewarmed: 2 });
});
afterAll(() => server[Symbol.asyncDispose]());

type RunLimits = Readonly<Record<string, number>>;

async function run(name: string, code: string, limits: RunLimits): Promise<Attack<Outcome>> {
  return attack(server, name, async () => outcomeOf(server, await sent(code, limits)));
}

function sent(code: string, limits: RunLimits): Promise<Response> {
  return fetch(`${server.url}/run`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code, limits }),
  });
}

function expectSteady({ steady }: Attack<unknown>): void {
  expect(steady.failed).toBe(0);
  expect(steady.count).toBeGreaterThanOrEqual(20);
  expect(steady.p99Ms).toBeLessThan(1000);
}

/** The name of the limit, its value, and the value in the message, in the words of the configuration. */
function expectLimit(error: Outcome["error"], code: string, name: string, value: number, words: string): void {
  expect(error).toMatchObject({ code, limit: { name, value } });
  expect(error?.message).toContain(words);
}

describe("processor time", () => {
  const attacks = {
    "for(;;)": "for (;;);",
    "a microtask loop": "await (async () => { for (;;) await 0; })()",
    "a timer loop": "const again = () => setImmediate(again); again();",
    // Each match gives up by itself after some hundred milliseconds: the engine bounds its backtracking.
    "a regex bomb": 'for (let i = 0; i < 100; i++) console.error(/^(a+)+$/.test("a".repeat(48) + "!"))',
    "a module's for(;;)": "export default () => { for (;;); }",
    "a loop in a Web Worker": 'new Worker(URL.createObjectURL(new Blob(["for (;;);"])));',
  };
  for (const [name, code] of Object.entries(attacks)) {
    test(name, async () => {
      const seen = await run(name, code, { cpu_ms: CPU_MS, wall_ms: 20_000 });
      expect(seen.result.status).toBe(500);
      expectLimit(seen.result.error, "cpu_limit", "cpuMs", CPU_MS, `cpu_ms = ${CPU_MS}`);
      expect(seen.cpuMs).toBeLessThan(CPU_MS + GRACE_MS + seen.lagMs);
      expectSteady(seen);
    }, 30_000);
  }
});

describe("memory", () => {
  const attacks = {
    heap: "const all = []; for (;;) all.push({ x: new Array(1000).fill(all.length) });",
    ArrayBuffer: "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1));",
    SharedArrayBuffer: "const all = []; for (;;) all.push(new Uint8Array(new SharedArrayBuffer(1 << 20)).fill(1));",
    WebAssembly: `const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
      for (;;) { const pages = memory.grow(16); new Uint8Array(memory.buffer).fill(1, pages * 65536); }`,
    string: 'let text = "x"; for (;;) { text += text; new TextEncoder().encode(text); }',
  };
  for (const [name, code] of Object.entries(attacks)) {
    test(`${name} bomb`, async () => {
      const seen = await run(`${name} bomb`, code, { memory_mb: 96, cpu_ms: 20_000, wall_ms: 25_000 });
      expect(seen.result.status).toBe(500);
      expectLimit(seen.result.error, "memory_limit", "memoryBytes", 96 * MB, "memory_mb = 96");
      expect(seen.overMemoryMs).toBeLessThan(GRACE_MS + seen.lagMs);
      expectSteady(seen);
    }, 30_000);
  }
});

describe("wall time", () => {
  const attacks = {
    "a program that waits": "await new Promise(() => setInterval(() => {}, 1000))",
    "a program that answers and goes on": 'console.log("begun"); await new Promise(() => setInterval(() => {}, 1000))',
  };
  for (const [name, code] of Object.entries(attacks)) {
    test(name, async () => {
      const seen = await run(name, code, { wall_ms: 600 });
      expect(seen.result.cut || seen.result.status === 504).toBeTrue();
      expectLimit(seen.result.error, "wall_limit", "wallMs", 600, "wall_ms = 600");
      expect(seen.elapsedMs).toBeGreaterThanOrEqual(600);
      expect(seen.elapsedMs).toBeLessThan(600 + GRACE_MS + 2 * seen.lagMs);
      expectSteady(seen);
    }, 30_000);
  }
});

describe("what it writes", () => {
  const gigabyte = (write: string) => `const line = "x".repeat(1 << 16); for (let i = 0; i < 16384; i++) ${write}`;

  test("1 GB of console output as the answer", async () => {
    const seen = await run("1 GB as output", gigabyte("console.log(line)"), {
      response_mb: 8,
      wall_ms: 20_000,
      cpu_ms: 20_000,
    });
    expect(seen.result.status).toBe(200);
    expect(seen.result.cut).toBeTrue();
    expectLimit(seen.result.error, "response_limit", "responseBytesMax", 8 * MB, "response_mb = 8");
    expectSteady(seen);
  }, 30_000);

  test("1 GB of console output as log", async () => {
    const seen = await run("1 GB as log", gigabyte("console.error(line)"), {
      log_kb: 256,
      wall_ms: 20_000,
      cpu_ms: 20_000,
    });
    expect(seen.result.status).toBe(500);
    expectLimit(seen.result.error, "log_limit", "logBytesMax", 256 * 1024, "log_kb = 256");
    expectSteady(seen);
  }, 30_000);

  test("a module's endless body", async () => {
    const code = 'export default async function* () { for (;;) yield "x".repeat(65536); }';
    const seen = await run("endless body", code, { response_mb: 4, wall_ms: 20_000, cpu_ms: 20_000 });
    expect(seen.result.cut).toBeTrue();
    expectLimit(seen.result.error, "response_limit", "responseBytesMax", 4 * MB, "response_mb = 4");
    expectSteady(seen);
  }, 30_000);

  test("a file bomb in /tmp writes no file", async () => {
    const before = readdirSync("/tmp").filter((name) => name.startsWith("bomb-"));
    const code = `const fs = await import("node:fs"); const refused = [];
      for (let i = 0; i < 100; i++) try { fs.writeFileSync("/tmp/bomb-" + i, "x".repeat(1 << 20)); } catch (error) { refused.push(error.code); }
      try { await Bun.write("/tmp/bomb-bun", "x"); } catch (error) { refused.push(error.code); }
      for (const name of ["/dev/shm/bomb", "/bomb", "/proc/bomb"]) try { fs.mkdirSync(name); } catch (error) { refused.push(error.code); }
      console.log(refused.length);`;
    const seen = await run("file bomb", code, { wall_ms: WALL_MS });
    expect(seen.result).toMatchObject({ status: 200, text: "104\n" });
    expect(readdirSync("/tmp").filter((name) => name.startsWith("bomb-"))).toEqual(before);
    expectSteady(seen);
  }, 30_000);
});

describe("what it starts", () => {
  test("a fork bomb by Web Workers", async () => {
    const code = `const address = URL.createObjectURL(new Blob(["for (;;);"])); const all = [];
      for (;;) { all.push(new Worker(address)); await new Promise((resolve) => setTimeout(resolve, 1)); }`;
    const seen = await run("fork bomb", code, { cpu_ms: 2000, wall_ms: 10_000 });
    // Whichever bound it meets first: threads and descriptors, memory, or processor time of all its threads.
    expect(["program_ended", "memory_limit", "cpu_limit"]).toContain(seen.result.error?.code ?? "");
    if (seen.result.error?.code === "program_ended")
      expect(seen.result.error.message).toContain("no file descriptor or thread left");
    else expect(seen.result.error?.limit).toBeDefined();
    expect(seen.cpuMs).toBeLessThan(2000 + GRACE_MS + 2 * seen.lagMs);
    expectSteady(seen);
  }, 30_000);

  test("more outgoing requests than it may make", async () => {
    const egress = await startTestServer({
      config: `${PLAN}egress = ["http://127.0.0.1:9"]\n${STEADY.config}`,
      files: STEADY.files,
    });
    await using _ended = egress;
    const code = 'for (;;) await fetch("http://127.0.0.1:9/").catch(() => {});';
    const seen = await attack(egress, "sub-requests", async () => {
      const body = JSON.stringify({ code, limits: { subrequests: 5, wall_ms: 10_000 } });
      return outcomeOf(
        egress,
        await fetch(`${egress.url}/run`, { method: "POST", headers: { "content-type": "application/json" }, body }),
      );
    });
    expect(seen.result.status).toBe(500);
    expectLimit(seen.result.error, "subrequest_limit", "subrequestsMax", 5, "subrequests = 5");
    expectSteady(seen);
  }, 30_000);
});
