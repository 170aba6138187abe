/**
 * Tries whether this machine lets a sandbox be made: starts a shell in one, with the arguments, the filter and the
 * uid that instances get, and says what is in the way when that fails.
 *
 * One attempt takes some 10 ms. Nothing is concluded from version numbers or from files alone, except why it failed.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bubblewrapArgs } from "./bubblewrap.ts";
import { outerFilter } from "./seccomp.ts";
import { DEFAULT_UIDS } from "./uids.ts";

/** What keeps sandboxes from working, and what to type or to set. */
export interface Obstacle {
  readonly found: string;
  readonly mend: string;
}

/** Reads a setting of the kernel; undefined where there is no such file. */
export type ReadSetting = (path: string) => string | undefined;

const PROBE_MS_MAX = 10_000;
const SHELL = "/bin/sh";

/** Tries it; undefined when a sandbox works. */
export async function probeSandbox(): Promise<Obstacle | undefined> {
  if (process.platform !== "linux") {
    return { found: `this is ${process.platform}`, mend: "use Linux, or a virtual machine with it" };
  }
  const bwrap = Bun.which("bwrap");
  if (bwrap === null) return { found: "bubblewrap is not installed", mend: installLine("bubblewrap") };
  const folder = mkdtempSync(join(tmpdir(), "isopod-probe-"));
  try {
    const filter = join(folder, "filter.bpf");
    writeFileSync(filter, outerFilter());
    const { code, stderr } = await startShell(bwrap, filter);
    return code === 0 ? undefined : explain(stderr.trim() || `bwrap ended with ${code}`, readSetting);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startShell(bwrap: string, filter: string): Promise<{ code: number; stderr: string }> {
  const root = { path: "/", program: SHELL, programSource: undefined, remove: () => {} };
  const plain = { mounts: undefined, seccompFd: 3, env: {}, userNamespaces: false };
  const args = bubblewrapArgs({ ...plain, root, args: ["-c", "exit 0"] });
  const uid = process.getuid?.() === 0 ? DEFAULT_UIDS.first : undefined;
  const fd = openSync(filter, "r");
  try {
    const child = Bun.spawn([bwrap, ...args], {
      stdio: ["ignore", "ignore", "pipe", fd],
      env: {},
      cwd: "/",
      timeout: PROBE_MS_MAX,
      killSignal: "SIGKILL",
      ...(uid !== undefined && { uid, gid: uid }),
    });
    const stderr = await new Response(child.stderr).text();
    return { code: await child.exited, stderr };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { code: -1, stderr: uid === undefined ? reason : `cannot become uid ${uid}: ${reason}` };
  } finally {
    closeSync(fd);
  }
}

/** Settings that forbid user namespaces: the file, the value that forbids, and the line that allows. */
const SETTINGS = [
  { path: "/proc/sys/user/max_user_namespaces", forbids: "0", mend: "sysctl -w user.max_user_namespaces=15000" },
  {
    path: "/proc/sys/kernel/unprivileged_userns_clone",
    forbids: "0",
    mend: "sysctl -w kernel.unprivileged_userns_clone=1",
  },
  {
    path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    forbids: "1",
    mend: "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap an AppArmor profile that allows userns",
  },
] as const;

const CONTAINER_OPTIONS =
  "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined";

/** Why bubblewrap failed with `stderr`, and what mends it. */
export function explain(stderr: string, setting: ReadSetting): Obstacle {
  const said = (stderr.split("\n").at(-1) ?? "").slice(0, 300);
  if (/[Uu]nknown option/.test(said)) {
    return { found: `bubblewrap is too old (${said})`, mend: "install bubblewrap 0.8.0 or newer" };
  }
  if (/cannot become uid/.test(said)) {
    const { first, count } = DEFAULT_UIDS;
    return {
      found: said,
      mend: `start the server as an ordinary user, or map the uids ${first} to ${first + count - 1} into its user namespace`,
    };
  }
  if (/seccomp/i.test(said)) {
    return { found: `the kernel takes no seccomp filter (${said})`, mend: "use a kernel with CONFIG_SECCOMP_FILTER" };
  }
  const contained = isContainer(setting);
  if (/mount proc/i.test(said) && contained)
    return { found: `the container masks /proc (${said})`, mend: CONTAINER_OPTIONS };
  for (const { path, forbids, mend } of SETTINGS) {
    if (setting(path) !== forbids) continue;
    const name = path.slice("/proc/sys/".length).replace("/", ".");
    return { found: `user namespaces are switched off (${name} = ${forbids}: ${said})`, mend };
  }
  if (contained) return { found: `the container does not allow user namespaces (${said})`, mend: CONTAINER_OPTIONS };
  return {
    found: `bubblewrap cannot make a sandbox (${said})`,
    mend: "use a kernel with CONFIG_USER_NS that lets this user make user namespaces",
  };
}

function isContainer(setting: ReadSetting): boolean {
  const marks = ["/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"];
  return (
    setting("/proc/1/environ")?.includes("container=") === true || marks.some((path) => setting(path) !== undefined)
  );
}

/** The content of a file of the kernel, or a mark that it is there. */
function readSetting(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return existsSync(path) ? "" : undefined;
  }
}

const MANAGERS = [
  ["apt-get", "apt-get install -y"],
  ["dnf", "dnf install -y"],
  ["apk", "apk add"],
  ["pacman", "pacman -S"],
  ["zypper", "zypper install"],
] as const;

/** What to type to install a package of the distribution. */
export function installLine(name: string): string {
  const line = MANAGERS.find(([command]) => Bun.which(command) !== null)?.[1];
  if (line === undefined) return `install the package ${name} of your distribution`;
  return `type: ${process.getuid?.() === 0 ? "" : "sudo "}${line} ${name}`;
}
