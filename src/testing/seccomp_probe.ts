/**
 * A program that tries to get out: the inside half of `seccomp_live.test.ts`, bundled and started there as a guest.
 *
 * It starts a Web Worker, seals itself with the filter in its environment, then tries native calls (from the main
 * thread and from the older Worker), Bun's own ways to the same ends, and what must go on working. Its report is one
 * line of JSON on stdout. It judges nothing: what each figure must be stands in the test.
 */

import { ptr } from "bun:ffi";
import { callNumber } from "../sandbox/seccomp.ts";
import { attemptAll, call, costs } from "./seccomp_probe_calls.ts";
import { firstMessage, WORKS } from "./seccomp_probe_works.ts";

/** What the probe found. */
export interface ProbeReport {
  /** What seccomp(2) answered: 0, or a negative error number; undefined when no seal was given. */
  readonly sealed: number | undefined;
  /** The error number of each native call, 0 when it was carried out. */
  readonly main: Readonly<Record<string, number>>;
  /** The same from a Worker that ran before the seal. */
  readonly olderWorker: Readonly<Record<string, number>>;
  /** What Bun's interfaces answered: an error's code or message, or "done". */
  readonly bun: Readonly<Record<string, string>>;
  /** What must work: the result, or the error. */
  readonly works: Readonly<Record<string, unknown>>;
  /** Nanoseconds of one native call, through bun:ffi. */
  readonly nanoseconds: Readonly<Record<string, number>>;
}

/** A module that is written before the seal and must not be found after it. */
const IMPORTABLE = String("/tmp/importable.js");

/** Installs the filter on all threads, as the guest of an engine does. */
function seal(bytes: Uint8Array): number {
  const program = new BigUint64Array([BigInt(bytes.length / 8), BigInt(ptr(bytes))]);
  const noNewPrivileges = call(callNumber("prctl") ?? -1, [38, 1, 0, 0, 0]);
  return noNewPrivileges || call(callNumber("seccomp") ?? -1, [1, 1, ptr(program)]);
}

async function answerOf(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "done";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

async function bunAnswers(): Promise<Record<string, string>> {
  const fs = await import("node:fs");
  const net = await import("node:net");
  const listening = () =>
    new Promise((resolve, reject) =>
      net
        .createServer()
        .on("error", reject)
        .listen(0, "127.0.0.1", () => resolve(0)),
    );
  return {
    spawnSync: await answerOf(() => Bun.spawnSync(["/bun", "--version"])),
    spawn: await answerOf(() => Bun.spawn(["/bun", "--version"]).exited),
    listen: await answerOf(() => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } })),
    netListen: await answerOf(listening),
    serve: await answerOf(() => Bun.serve({ port: 0, fetch: () => new Response("") })),
    readFileSync: await answerOf(() => fs.readFileSync("/guest.js")),
    readFile: await answerOf(() => Bun.file("/guest.js").text()),
    writeFile: await answerOf(() => Bun.write("/tmp/x", "x")),
    readdir: await answerOf(() => fs.readdirSync("/")),
    importFile: await answerOf(() => import(IMPORTABLE)),
    kill: await answerOf(() => process.kill(1, 0)),
    chdir: await answerOf(() => process.chdir("/tmp")),
  };
}

async function main(): Promise<void> {
  const worker = new Worker("/guest.js");
  await firstMessage(worker);
  await Bun.write(IMPORTABLE, "export default 1");
  const filter = process.env.SEAL;
  const sealed = filter ? seal(Uint8Array.fromBase64(filter)) : undefined;
  const main = attemptAll();
  worker.postMessage("attempt");
  const olderWorker = (await firstMessage(worker)) as Record<string, number>;
  const bun = filter ? await bunAnswers() : {};
  const works: Record<string, unknown> = {};
  if (filter) {
    for (const [label, work] of Object.entries(WORKS)) {
      try {
        works[label] = await work();
      } catch (error) {
        works[label] = `failed: ${error}`;
      }
    }
  }
  const report: ProbeReport = { sealed, main, olderWorker, bun, works, nanoseconds: costs() };
  const writer = Bun.stdout.writer();
  writer.write(`${JSON.stringify(report)}\n`);
  await writer.end();
  process.exit(0);
}

if (Bun.isMainThread) await main();
else {
  addEventListener("message", () => postMessage(attemptAll()));
  postMessage("ready");
}
