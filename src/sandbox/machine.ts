/**
 * What this machine offers for running foreign code, what follows from each, and what mends what is missing.
 *
 * `isopod doctor` prints it; a server asks `requireSandbox` before it takes the first program. Everything is looked
 * at as the present user, and nothing is changed.
 */
import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, statfsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { installLine, probeSandbox } from "./sandbox_probe.ts";
import { DEFAULT_UIDS } from "./uids.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  /** `limited` costs what `follows` says; `missing` keeps foreign code from running at all. */
  readonly state: "ok" | "limited" | "missing";
  readonly found: string;
  /** What follows from it for a server here. */
  readonly follows: string;
  /** The package to install or the setting to change, when something is not as it could be. */
  readonly mend?: string;
}

/** What a server would use. */
export interface MachineOptions {
  /** Where a server keeps its data. */
  readonly dataDirectory: string;
  /** The Chromium that the user names, by `ISOPOD_CHROMIUM`. */
  readonly chromium?: string | undefined;
}

const MB = 1024 * 1024;
const DISK_BYTES_MIN = 512 * MB;
const MEMORY_BYTES_MIN = 256 * MB;
/** The default of `memoryBytes`; what an instance of a function may take. */
const INSTANCE_BYTES = 128 * MB;

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
      follows: "each sandbox gets a uid that nothing else has",
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

function memory(): Finding {
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readText("/proc/meminfo") ?? "")?.[1] ?? 0) * 1024;
  const found = `${Math.round(available / MB)} MiB are free`;
  const instances = Math.floor(available / INSTANCE_BYTES);
  const follows = `room for ${instances} instances that each use ${INSTANCE_BYTES / MB} MiB`;
  if (available >= MEMORY_BYTES_MIN) return { name: "memory", state: "ok", found, follows };
  return { name: "memory", state: "limited", found, follows, mend: "free some, or lower pool.instances" };
}

function disk(name: string, path: string): Finding {
  try {
    const folder = existing(path);
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    const found = `${path}, ${Math.round(free / MB)} MiB are free`;
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (free >= DISK_BYTES_MIN)
      return { name, state: "ok", found, follows: "enough for a copy of the guest's program" };
    return {
      name,
      state: "limited",
      found,
      follows: "a copy of the guest's program may not fit",
      mend: `free ${DISK_BYTES_MIN / MB} MiB there`,
    };
  } catch {
    const mend = name === "data directory" ? "name another with --data or ISOPOD_DATA" : "name another with TMPDIR";
    return { name, state: "missing", found: `${path} cannot be written`, follows: "a server cannot start", mend };
  }
}

/** In the order in which the `browser` engine looks; the first that there is. */
const CHROMIUMS = [
  "/usr/lib/chromium/chromium-headless-shell",
  "chromium-headless-shell",
  "chrome-headless-shell",
  "google-chrome-stable",
  "google-chrome",
  "/usr/lib/chromium/chromium",
];

function chromium(named: string | undefined): Finding {
  const candidates = named === undefined || named === "" ? CHROMIUMS : [named];
  const path = candidates.map((name) => Bun.which(name)).find((found) => found !== null);
  if (path) return { name: "chromium", state: "ok", found: path, follows: "functions in a browser can run" };
  const found = named ? `ISOPOD_CHROMIUM is ${named}, which is no program` : "not installed";
  const mend = installLine("chromium-headless-shell");
  return {
    name: "chromium",
    state: "limited",
    found,
    follows: "functions in a browser cannot run; all others can",
    mend,
  };
}

/** The folder itself, or the nearest above it that there is. */
function existing(path: string): string {
  try {
    accessSync(path);
    return path;
  } catch {
    return dirname(path) === path ? path : existing(dirname(path));
  }
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

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
