/**
 * What a process sees and can do, as JSON on its standard output: run inside a sandbox by the tests, and outside of it
 * as the control that shows that a check can fail. It is bundled and bound in, and imports platform modules only.
 */
import { dlopen } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { connect, type NetConnectOpts } from "node:net";
import { hostname } from "node:os";

/** The report. */
export interface InsideReport {
  readonly passwd: string;
  readonly root: readonly string[];
  readonly pids: readonly number[];
  readonly namespaces: Readonly<Record<string, string>>;
  readonly uidMap: string;
  readonly status: Readonly<Record<string, string>>;
  readonly limits: string;
  readonly descriptors: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  readonly writes: Readonly<Record<string, string>>;
  readonly loopback: string;
  readonly abstractSocket: string;
  readonly metadata: string;
  readonly signalsHost: string;
  readonly newUserNamespace: number;
  readonly userNamespacesMax: string;
}

/** What the test tells it. */
export interface InsideTask {
  readonly port: number;
  readonly abstractName: string;
  readonly hostPid: number;
}

function attempt(action: () => unknown): string {
  try {
    action();
    return "allowed";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

function reach(options: NetConnectOpts): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(options);
    const over = (result: string) => {
      socket.destroy();
      resolve(result);
    };
    socket.on("connect", () => over("allowed"));
    socket.on("error", (error: { code?: string }) => over(error.code ?? String(error)));
    setTimeout(() => over("no answer"), 1000).unref();
  });
}

function links(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder)) {
    attempt(() => {
      found[name] = readlinkSync(`${folder}/${name}`);
    });
  }
  return found;
}

function newUserNamespace(): number {
  const libc = dlopen("libc.so.6", { unshare: { args: ["i32"], returns: "i32" } });
  return libc.symbols.unshare(0x10000000);
}

async function report(task: InsideTask): Promise<InsideReport> {
  const statusLines = readFileSync("/proc/self/status", "utf8").trim().split("\n");
  return {
    passwd: attempt(() => readFileSync("/etc/passwd")),
    root: readdirSync("/").toSorted(),
    pids: readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number),
    namespaces: links("/proc/self/ns"),
    uidMap: readFileSync("/proc/self/uid_map", "utf8").trim(),
    status: Object.fromEntries(statusLines.map((line) => line.split(/:\s+/, 2) as [string, string])),
    limits: readFileSync("/proc/self/limits", "utf8"),
    descriptors: Object.values(links("/proc/self/fd")),
    env: { ...process.env },
    hostname: hostname(),
    writes: Object.fromEntries(
      ["/tmp", "/dev", "/proc", "/"].map((at) => [
        at,
        attempt(() => writeFileSync(`${at}/isopod-probe-${process.pid}`, "x")),
      ]),
    ),
    loopback: await reach({ host: "127.0.0.1", port: task.port }),
    abstractSocket: await reach({ path: `\0${task.abstractName}` }),
    metadata: await reach({ host: "169.254.169.254", port: 80 }),
    signalsHost: attempt(() => process.kill(task.hostPid, 0)),
    newUserNamespace: newUserNamespace(),
    userNamespacesMax: readFileSync("/proc/sys/user/max_user_namespaces", "utf8").trim(),
  };
}

const task = JSON.parse(process.env["TASK"] ?? "{}") as InsideTask;
process.stdout.write(JSON.stringify(await report(task)));
