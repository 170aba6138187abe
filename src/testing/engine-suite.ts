/** What every engine must do, whatever runs in its instances: called by each engine's test. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import type { Engine, GuestProcess } from "../core/engine.ts";
import { GUEST_CODE } from "../guest_code.ts";
import { Instance } from "../pool/instance.ts";
import { goneAfter, instances } from "./children.ts";
import { NO_BINDING_SET } from "./guest_program.ts";

/** How an engine is tested. */
export interface EngineSuiteOptions {
  /** Makes the engine; everything that it lays down belongs into `directory`. */
  create(directory: string): Engine;
  /** The limits that the host can see on a prepared guest, as /proc/PID/limits calls them, and their hard values. */
  readonly limits: Readonly<Record<string, string>>;
}

/** What every guest runs. */
export const guestCode = GUEST_CODE;

/** Starts killed at different moments of their first milliseconds. */
const KILLED_STARTS = 60;
const GONE_MS = 1000;

const SLOT_PARENTS = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"];

/** The suite. */
export function testEngine(name: string, { create, limits }: EngineSuiteOptions): void {
  describe(`${name} engine`, () => {
    let directory = "";
    let engine: Engine;
    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), "isopod-engine-"));
      chmodSync(directory, 0o755);
      engine = create(directory);
    });
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    test("names its layers, the same for the engine and for every instance", async () => {
      const process = await engine.start("run");
      expect(process.layers).toEqual(engine.layers);
      expect(engine.layers).toEqual(
        expect.arrayContaining([
          "user-ns",
          "net-ns",
          "no-caps",
          "minimal-root",
          "seccomp",
          "rlimits",
          "seal",
          "supervisor",
        ]),
      );
      await ended(process);
    });

    test("a guest says hello, is limited and sealed, and has figures", async () => {
      const { process } = await prepareGuest(engine);
      const text = readFileSync(`/proc/${process.pid}/limits`, "utf8");
      for (const [what, value] of Object.entries(limits)) {
        expect([what, new RegExp(`^${what}\\s+(\\S+)\\s+(\\S+)`, "m").exec(text)?.[2]]).toEqual([what, value]);
      }
      const status = readFileSync(`/proc/${process.pid}/status`, "utf8");
      expect(/^Seccomp_filters:\s+(\d+)/m.exec(status)?.[1]).toBe("2");
      const usage = process.usage();
      expect(usage?.cpuMs).toBeGreaterThanOrEqual(0);
      expect(usage?.memoryBytes).toBeGreaterThan(0);
      await ended(process);
    });

    test("two guests share no namespace of users, processes or memory, and none is the host's root", async () => {
      const pair = await Promise.all([prepareGuest(engine), prepareGuest(engine)]);
      const pids = pair.map(({ process }) => process.pid);
      expect(pids.map(ownerOf)).not.toContain("0");
      for (const kind of ["user", "pid", "ipc", "uts"]) {
        const names = [globalThis.process.pid, ...pids].map((pid) => readlinkSync(`/proc/${pid}/ns/${kind}`));
        expect([kind, new Set(names).size]).toEqual([kind, 3]);
      }
      await Promise.all(pair.map(({ process }) => ended(process)));
    });

    test("a guest that is killed from outside is told of with its signal", async () => {
      const { process, instance } = await prepareGuest(engine);
      globalThis.process.kill(process.pid, "SIGKILL");
      expect((await process.exited).code).toBe(137);
      expect(instance.alive).toBeFalse();
    });

    test("an ended guest takes writes, kills and questions without complaint", async () => {
      const { process } = await prepareGuest(engine);
      await ended(process);
      process.kill();
      process.write(new Uint8Array(1024 * 1024));
      process.limitMemory(1024);
      expect(() => process.usage()).not.toThrow();
    });

    test("a start that is killed at any moment leaves no process and no descriptor", async () => {
      const before = new Set(instances());
      const descriptors = readdirSync("/proc/self/fd").length;
      for (let index = 0; index < KILLED_STARTS; index += 1) {
        const process = await engine.start(index % 4 === 3 ? "build" : "run");
        const output = drain(process);
        const until = performance.now() + (index / KILLED_STARTS) * 12;
        while (performance.now() < until);
        await ended(process);
        await output;
      }
      await goneAfter(
        instances().filter((pid) => !before.has(pid)),
        GONE_MS,
      );
      Bun.gc(true);
      expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(descriptors + 4);
    });

    test("close leaves nothing in its directory and no cgroup", async () => {
      await engine.close();
      expect(existsSync(directory) ? readdirSync(directory, { recursive: true }) : []).toEqual([]);
      for (const parent of SLOT_PARENTS) {
        if (existsSync(parent)) expect(readdirSync(parent)).not.toContain(`isopod-${globalThis.process.pid}`);
      }
    });
  });
}

/** Starts a guest and waits until it has said hello, and so is sealed. */
export async function prepareGuest(engine: Engine): Promise<{ process: GuestProcess; instance: Instance }> {
  const process = await engine.start("run");
  const instance = new Instance({ process, clock: systemClock, bindings: NO_BINDING_SET, report() {} });
  await instance.prepare();
  return { process, instance };
}

async function ended(process: GuestProcess): Promise<void> {
  process.kill();
  await process.exited;
}

/** Reads to the end, which may come in the middle of anything. */
function drain(process: GuestProcess): Promise<void> {
  return new Promise((end) => process.read({ data() {}, end }));
}

function ownerOf(pid: number): string | undefined {
  return /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
}
