/**
 * What this machine offers for running foreign code, what follows from each, and what mends what is missing.
 *
 * `isopod doctor` prints it; a server asks `requireSandbox` before it takes the first program. Everything is looked
 * at as the present user, and nothing is changed.
 */
import { mkdirSync, rmdirSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, disk, type Finding, memory, readText } from "./machine_resources.ts";
import { installLine, probeSandbox } from "./sandbox_probe.ts";
import { DEFAULT_UIDS } from "./uids.ts";

/** What a server would use. */
export interface MachineOptions {
  /** Where a server keeps its data. */
  readonly dataDirectory: string;
  /** The Chromium that the user names, by `ISOPOD_CHROMIUM`. */
  readonly chromium?: string | undefined;
}

/** @throws {Error} naming what is missing and what mends it, where foreign code cannot be run in a sandbox */
export async function requireSandbox(): Promise<void> {
  const obstacle = await probeSandbox();
  if (obstacle === undefined) return;
  throw new Error(`Cannot run untrusted code: ${obstacle.found}; ${obstacle.mend} (\`isopod doctor\` says more)`);
}

/** Looks at everything. */
export async function examineMachine(options: MachineOptions): Promise<Finding[]> {
  return [
    runtime(),
    bubblewrap(),
    await sandbox(),
    seccomp(),
    controlGroups(),
    userIds(),
    memory(),
    disk("data directory", options.dataDirectory),
    disk("temporary files", tmpdir()),
    chromium(options.chromium),
  ];
}

function runtime(): Finding {
  const found = `Bun ${Bun.version}, ${process.platform} ${process.arch}, ${availableParallelism()} processors`;
  if (process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")) {
    return { name: "runtime", state: "ok", found, follows: "server and guests run on it" };
  }
  return {
    name: "runtime",
    state: "missing",
    found,
    follows: "there is no seal for this machine",
    mend: "use Linux on x64 or arm64",
  };
}

function bubblewrap(): Finding {
  const path = Bun.which("bwrap");
  if (path === null) {
    const mend = installLine("bubblewrap");
    return { name: "bubblewrap", state: "missing", found: "not installed", follows: "no sandbox can be made", mend };
  }
  const version = Bun.spawnSync([path, "--version"]).stdout.toString().trim() || "of unknown version";
  return { name: "bubblewrap", state: "ok", found: `${version} (${path})`, follows: "makes the sandboxes" };
}

async function sandbox(): Promise<Finding> {
  const started = performance.now();
  const obstacle = await probeSandbox();
  const name = "user namespaces";
  if (obstacle !== undefined) return { name, state: "missing", ...obstacle, follows: "a server refuses to start here" };
  const took = `${Math.round(performance.now() - started)} ms`;
  return {
    name,
    state: "ok",
    found: `a sandbox was made in ${took}`,
    follows: "every program gets namespaces of its own",
  };
}

function seccomp(): Finding {
  const actions = readText("/proc/sys/kernel/seccomp/actions_avail");
  if (actions?.includes("errno")) {
    return {
      name: "seccomp",
      state: "ok",
      found: actions,
      follows: "guests are sealed: no exec, no sockets, no opening of files",
    };
  }
  const mend = "use a kernel with CONFIG_SECCOMP_FILTER";
  return {
    name: "seccomp",
    state: "missing",
    found: "the kernel has no seccomp filters",
    follows: "guests cannot be sealed",
    mend,
  };
}

function controlGroups(): Finding {
  const name = "control groups";
  const own = readText("/proc/self/cgroup") ?? "";
  const unified = readText("/sys/fs/cgroup/cgroup.controllers");
  const pathOf = (pattern: RegExp) => pattern.exec(own)?.[1] ?? "/";
  const folder =
    unified === undefined
      ? join("/sys/fs/cgroup/memory", pathOf(/^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m))
      : join("/sys/fs/cgroup", pathOf(/^0::(.*)$/m));
  const version = unified === undefined ? "version 1" : "version 2";
  const controlled = unified === undefined || /\bmemory\b/.test(readText(join(folder, "cgroup.controllers")) ?? "");
  if (controlled && canMakeFolder(folder)) {
    return {
      name,
      state: "ok",
      found: `${version}, writable`,
      follows: "the kernel bounds memory and processes of each sandbox",
    };
  }
  return {
    name,
    state: "limited",
    found: `${version}, ${controlled ? "not writable" : "without the memory controller"}`,
    follows: "memory is bounded by rlimits and by polling, which a burst can overshoot for some milliseconds",
    mend: "start the server by systemd with Delegate=yes, or as root",
  };
}

function userIds(): Finding {
  const name = "user ids";
  const uid = process.getuid?.() ?? -1;
  const { first, count } = DEFAULT_UIDS;
  if (uid === 0) {
    return {
      name,
      state: "ok",
      found: `root, with ${first} to ${first + count - 1}`,
      follows: "sandboxes are made with uids that nothing else has",
    };
  }
  const follows = `all sandboxes have uid ${uid}: namespaces and the seal keep them apart, and threads are counted together`;
  return {
    name,
    state: "limited",
    found: `uid ${uid}`,
    follows,
    mend: "start the server as root for a uid a sandbox; no program ever runs as root",
  };
}

function canMakeFolder(parent: string): boolean {
  const path = join(parent, `isopod-doctor-${process.pid}`);
  try {
    mkdirSync(path);
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
