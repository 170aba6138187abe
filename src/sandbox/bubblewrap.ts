/** The arguments for bubblewrap: the namespaces, mounts and rights of a sandbox, as one list. */
import type { SandboxRoot } from "./root.ts";

/** What is mounted over the root for programs of users. */
export interface Mounts {
  /** Size of /tmp, and of /dev/shm, in bytes. */
  readonly tmpBytes: number;
  /** Folders or files of this machine to bind read-only, by their path in the sandbox, in order. */
  readonly binds: readonly (readonly [to: string, from: string])[];
  /** Devices beside /dev/null, by their names. */
  readonly devices: readonly string[];
}

/** What differs between sandboxes. */
export interface BubblewrapOptions {
  readonly root: SandboxRoot;
  /** Undefined for a root that is sealed read-only as it is. */
  readonly mounts: Mounts | undefined;
  /** The descriptor that holds the seccomp filter. */
  readonly seccompFd: number;
  readonly env: Readonly<Record<string, string>>;
  /** The program's arguments. */
  readonly args: readonly string[];
  /** Whether the program makes user namespaces for what it starts: a zygote, or a browser with a sandbox of its own. */
  readonly userNamespaces: boolean;
}

/** The layers that these arguments put around a process, in the words of `/status` and `isopod doctor`. */
export const BUBBLEWRAP_LAYERS = [
  "user-ns",
  "pid-ns",
  "ipc-ns",
  "uts-ns",
  "net-ns",
  "no-userns",
  "no-caps",
  "minimal-root",
  "seccomp",
];

/** The layers around a program that makes user namespaces of its own. */
export const NESTING_LAYERS = BUBBLEWRAP_LAYERS.filter((layer) => layer !== "no-userns");

/** The layers around an instance that was forked: the seal alone keeps it from making user namespaces. */
export const FORKED_LAYERS = [...NESTING_LAYERS, "zygote", "empty-root"];

/** The path of bubblewrap. @throws {Error} when it is not installed */
export function findBubblewrap(): string {
  const found = Bun.which("bwrap");
  if (found !== null) return found;
  throw new Error("Cannot run code: bubblewrap is not installed (package bubblewrap, program bwrap)");
}

/** Arguments for `bwrap`, without its own name. */
export function bubblewrapArgs(options: BubblewrapOptions): string[] {
  const { root } = options;
  return [
    ...["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"],
    ...(options.userNamespaces ? [] : ["--disable-userns"]),
    ...["--uid", "1000", "--gid", "1000", "--hostname", "isopod"],
    ...["--cap-drop", "ALL", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"],
    ...["--ro-bind", root.path, "/"],
    ...(root.programSource === undefined ? [] : ["--ro-bind", root.programSource, root.program]),
    ...(options.mounts?.binds ?? []).flatMap(([to, from]) => ["--ro-bind", from, to]),
    ...["--proc", "/proc", "--dev-bind", "/dev/null", "/dev/null"],
    ...(options.mounts === undefined ? [] : writable(options.mounts)),
    ...Object.entries(options.env).flatMap(([name, value]) => ["--setenv", name, value]),
    ...["--chdir", "/"],
    ...["--seccomp", String(options.seccompFd), root.program, ...options.args],
  ];
}

/** What a program of a user can write to, and the devices that it may open. */
function writable({ tmpBytes, devices }: Mounts): string[] {
  const size = ["--perms", "1777", "--size", String(tmpBytes)];
  const each = devices.map((name) => `/dev/${name}`);
  return [
    ...each.flatMap((device) => ["--dev-bind", device, device]),
    ...[...size, "--tmpfs", "/tmp", ...size, "--tmpfs", "/dev/shm"],
  ];
}
