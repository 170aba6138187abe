/** Instances that are forked: what they have in common with their zygote and their siblings, and what they must not. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestProcess } from "../../core/engine.ts";
import { layRoot } from "../../sandbox/root.ts";
import { Sandbox } from "../../sandbox/sandbox.ts";
import { outerFilter } from "../../sandbox/seccomp.ts";
import type { Zygote } from "../../sandbox/zygote.ts";
import { Zygotes } from "../../sandbox/zygotes.ts";
import { goneAfter, instances, zygotes } from "../../testing/children.ts";
import { guestCode } from "../../testing/engine-suite.ts";
import { prepared, runIn } from "../../testing/guest_program.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { GUEST_ENVIRONMENT } from "./engine.ts";

const MB = 1024 * 1024;
/** Never sealed: what it may not do is for the other layers to refuse. */
const UNSEALED = new Uint8Array(0);

let directory = "";
let sandbox: Sandbox;
let zygote: Zygote;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "isopod-zygote-"));
  chmodSync(directory, 0o755);
  sandbox = new Sandbox({
    root: layRoot({ directory, program: process.execPath, files: { "/guest.js": guestCode } }),
    outerFilter: outerFilter(),
    zygoteFilter: outerFilter({ sockets: false, exec: false, zygote: true }),
    seal: UNSEALED,
    dataBytes: 1024 * MB,
    rlimits: [],
    env: { ...GUEST_ENVIRONMENT, BUN_BE_BUN: "1" },
    isolation: "bubblewrap",
    uids: { first: 1_992_000_000, count: 64 },
  });
  zygote = await sandbox.openZygote(["/guest.js", "--zygote"]);
});
afterAll(async () => {
  zygote.close();
  await zygote.ended;
  sandbox.close();
  rmSync(directory, { recursive: true, force: true });
});

const CALLS =
  process.arch === "arm64"
    ? { kill: 129, ptrace: 117, openat: 56, unshare: 97, setns: 268, mount: 40 }
    : { kill: 62, ptrace: 101, openat: 257, unshare: 272, setns: 308, mount: 165 };

const PROBE = `
import { dlopen, ptr } from "bun:ffi";
const number = "i64_fast";
const { syscall } = dlopen("libc.so.6", { syscall: { args: Array(7).fill("u64_fast"), returns: "i64_fast" } }).symbols;
const call = (nr, ...args) => Number(syscall(nr, ...[...args, 0, 0, 0, 0, 0, 0].slice(0, 6)));
const open = (path) => { const name = new TextEncoder().encode(path + "\\0"); return call(${CALLS.openat}, 0xffffff9c, ptr(name), 0); };
console.log(JSON.stringify({
  pid: call(process.arch === "arm64" ? 172 : 39),
  files: ["/proc/self/status", "/program", "/guest.js", "/dev/null", "/proc/1/mem"].filter((path) => open(path) >= 0),
  // Everybody that can be named, itself apart.
  kills: call(${CALLS.kill}, 0xffffffff, 0),
  traces: [2, 3, 4].filter((pid) => call(${CALLS.ptrace}, 16, pid) === 0),
  unshares: call(${CALLS.unshare}, 0x10000000),
  mounts: call(${CALLS.mount}, 0, ptr(new TextEncoder().encode("/\\0")), 0, 0x1000),
}));`;

describe("a forked instance that is not sealed", () => {
  test("sees no file, no other process, and has no right to change that", async () => {
    const [sibling, guest] = await Promise.all([zygote.fork(), zygote.fork()]);
    const seen = JSON.parse(await runIn(guest, PROBE));
    expect(seen).toEqual({ pid: 1, files: [], kills: -1, traces: [], unshares: -1, mounts: -1 });
    sibling.kill();
    await sibling.exited;
  });

  test("is ended before its zygote where memory is short", async () => {
    const guest = await zygote.fork();
    await prepared(guest);
    expect(readFileSync(`/proc/${guest.pid}/oom_score_adj`, "latin1").trim()).toBe("500");
    guest.kill();
    await guest.exited;
  });

  test("has no capabilities and cannot be looked into once it says hello", async () => {
    const guest = await zygote.fork();
    await prepared(guest);
    const status = readFileSync(`/proc/${guest.pid}/status`, "latin1");
    for (const name of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
      expect([name, new RegExp(`^${name}:\\s+(\\w+)`, "m").exec(status)?.[1]]).toEqual([name, "0000000000000000"]);
    }
    expect(/^NoNewPrivs:\s+(\d)/m.exec(status)?.[1]).toBe("1");
    // The files of a process that is not dumpable belong to root.
    expect(
      Bun.spawnSync(["stat", "-c", "%u", `/proc/${guest.pid}/mem`])
        .stdout.toString()
        .trim(),
    ).toBe("0");
    guest.kill();
    await guest.exited;
  });
});

describe("randomness", () => {
  const DRAW = `
    const subtle = await crypto.subtle.exportKey("raw", await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"]));
    console.log(JSON.stringify([crypto.randomUUID(), Bun.randomUUIDv7().slice(14), Math.random(), Math.random(),
      Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex"), Buffer.from(crypto.getRandomValues(new Uint8Array(500))).toString("hex"),
      URL.createObjectURL(new Blob(["x"])), Buffer.from(subtle).toString("hex"), crypto.getRandomValues(new BigUint64Array(4)).join()]));`;

  test("is each instance's own, of every kind", async () => {
    const drawn: string[][] = [];
    for (let index = 0; index < 4; index += 1) drawn.push(JSON.parse(await runIn(await zygote.fork(), DRAW)));
    for (const kind of (drawn[0] as string[]).keys()) {
      expect([kind, new Set(drawn.map((values) => values[kind])).size]).toEqual([kind, 4]);
    }
  });

  test("Math.random is uniform from 0 to below 1", async () => {
    const [low, high, mean] = JSON.parse(
      await runIn(
        await zygote.fork(),
        `let low = 1, high = 0, sum = 0;
         for (let i = 0; i < 1e6; i++) { const x = Math.random(); low = Math.min(low, x); high = Math.max(high, x); sum += x; }
         console.log(JSON.stringify([low, high, sum / 1e6]));`,
      ),
    );
    expect([low >= 0, low < 0.001, high < 1, high > 0.999, Math.abs(mean - 0.5) < 0.005]).toEqual(Array(5).fill(true));
  });
});

describe("a forked instance has all of Bun", () => {
  test("timers, the just-in-time compiler, the collector, workers, WebAssembly", async () => {
    const code = `
      await new Promise((resolve) => setTimeout(resolve, 1));
      let sum = 0; for (let i = 0; i < 3e7; i++) sum = (sum * 31 + i) | 0;
      let kept = []; for (let i = 0; i < 1e6; i++) { kept.push({ i }); if (kept.length > 1e5) kept = []; }
      Bun.gc(true);
      const worker = new Worker(URL.createObjectURL(new File(["postMessage(41 + 1)"], "w.js")));
      const answer = await new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
      worker.terminate();
      const wasm = new Uint8Array([0,97,115,109,1,0,0,0,1,5,1,96,0,1,127,3,2,1,0,7,5,1,1,102,0,0,10,6,1,4,0,65,42,11]);
      const { instance } = await WebAssembly.instantiate(wasm);
      const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(3));
      console.log([sum, answer, instance.exports.f(), digest.byteLength].join(" "));`;
    expect(await runIn(await zygote.fork(), code)).toBe("-1308532288 42 42 32\n");
  });
});

describe("a server", () => {
  test("goes on to the next zygote after so many instances, and keeps none and no descriptor of the former", async () => {
    const others = new Set(zygotes());
    await using server = await startTestServer({ prewarmed: 2 });
    await (await server.run("1")).text();
    const descriptors = () => readdirSync("/proc/self/fd").length;
    await until(() => stock(server) === 2);
    const open = descriptors();
    const first = zygotes().filter((pid) => !others.has(pid));
    const seen = new Set(first);
    for (let index = 0; index < 130; index += 1) {
      expect(await (await server.run(`console.log(${index})`)).text()).toBe(`${index}\n`);
      if (index % 20 === 0) for (const pid of zygotes()) if (!others.has(pid)) seen.add(pid);
    }
    expect([first.length, seen.size]).toEqual([1, 2]);
    await goneAfter(first, 5000);
    await until(() => stock(server) === 2);
    expect(descriptors()).toBeLessThanOrEqual(open + 4);
  }, 30_000);

  test("where no zygote can be opened starts a process for each instance, and says so once", async () => {
    const reports: string[] = [];
    const none = new Zygotes(
      async () => {
        throw new Error("not here");
      },
      (line, fields) => reports.push(`${line.text}: ${fields["cause"]}`),
    );
    expect([await none.fork(), await none.fork()]).toEqual([undefined, undefined]);
    expect(reports).toEqual(["Instances start slower: they cannot be forked: Error: not here"]);
    await none.close();
  });

  test("a zygote that is killed ends what it has forked, and the next fork has another", async () => {
    const all = new Zygotes(() => sandbox.openZygote(["/guest.js", "--zygote"]));
    const before = new Set(instances());
    const guest = (await all.fork()) as GuestProcess;
    const forked = instances().filter((pid) => !before.has(pid));
    for (const pid of zygotes()) if (forked.some((child) => parentIs(child, pid))) process.kill(pid, "SIGKILL");
    expect((await guest.exited).code).toBe(137);
    const next = (await all.fork()) as GuestProcess;
    expect(await runIn(next, "console.log('alive')")).toBe("alive\n");
    await all.close();
  });
});

/** Instances that wait, when there are no others. */
function stock({ server }: TestServer): number {
  const { pool } = server.status() as { pool: { instances: number; prewarmed: number } };
  return pool.instances === pool.prewarmed ? pool.prewarmed : -1;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function parentIs(child: number, parent: number): boolean {
  return readFileSync(`/proc/${parent}/task/${parent}/children`, "latin1").split(" ").includes(String(child));
}
