/** The resources of this machine that a server uses beside sandboxes: memory, disk, and a browser where there is one. */
import { accessSync, constants, readFileSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { findChromium, findChromiumPackage } from "./chromium.ts";
import { installLine } from "./sandbox_probe.ts";

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

const MB = 1024 * 1024;
const DISK_BYTES_MIN = 512 * MB;
const MEMORY_BYTES_MIN = 256 * MB;
/** The default of `memoryBytes`; what an instance of a function may take. */
const INSTANCE_BYTES = 128 * MB;

/** How much memory is free. */
export function memory(): Finding {
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readText("/proc/meminfo") ?? "")?.[1] ?? 0) * 1024;
  const found = `${Math.round(available / MB)} MiB are free`;
  const instances = Math.floor(available / INSTANCE_BYTES);
  const follows = `room for ${instances} instances that each use ${INSTANCE_BYTES / MB} MiB`;
  if (available >= MEMORY_BYTES_MIN) return { name: "memory", state: "ok", found, follows };
  return { name: "memory", state: "limited", found, follows, mend: "free some, or lower pool.instances" };
}

/** Whether `path`, or what is above it, can be written and has room. */
export function disk(name: string, path: string): Finding {
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

/** Which Chromium there is. */
export function chromium(named: string | undefined): Finding {
  const path = findChromium(named) ?? (named ? undefined : findChromiumPackage());
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

/** The content of a file, trimmed; undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
