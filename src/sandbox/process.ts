/**
 * Starts and watches sandboxed processes: bubblewrap, the uid, the cgroup slot, and how it all ends.
 *
 * This is the only place where a process with foreign code in it can come from. It does not know what the process
 * says; that is the pool's business.
 */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GuestProcess, ProcessEnd, Usage } from "../core/engine.ts";
import { IsopodError } from "../core/errors.ts";
import { BUBBLEWRAP_LAYERS, bubblewrapArgs } from "./bubblewrap.ts";
import { type Cgroups, openCgroups } from "./cgroup.ts";
import type { CgroupSlot } from "./cgroup_slot.ts";
import type { SandboxRoot } from "./root.ts";
import { endTree, signal } from "./tree.ts";
import { DEFAULT_UIDS, UidPool, type UidRange } from "./uids.ts";
import { onlyChild, UsageReader } from "./usage.ts";

/**
 * Once bubblewrap is gone, what it started is as a rule gone within 8 ms. What is not after this long is killed by its
 * cgroup; after as long again, the sandbox counts as ended, and its uid and slot are not used again.
 */
const SURVIVOR_MS = 250;

/** How much of a guest's standard error is kept for the log, in bytes. */
const STDERR_BYTES_MAX = 4096;

/** How much a guest may leave unread, in bytes: more than the largest program and what its invocations' credit allows. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

const NO_FILTER = new Uint8Array(0);

/** How a kind of sandbox is set up. */
export interface SandboxOptions {
  readonly root: SandboxRoot;
  /** The filter that is installed before the program starts. */
  readonly outerFilter: Uint8Array;
  /** The filter that the guest installs on itself, and the resource limits that it sets before. */
  readonly seal: Uint8Array;
  readonly rlimits: readonly (readonly [number, number])[];
  /**
   * RLIMIT_DATA in bytes, where there is no cgroup to bound memory. It must be there before the program starts, which sizes its heap's reservation by it; a
   * shell sets it for 0.2 ms, `prlimit` would take 0.9.
   */
  readonly dataBytes: number;
  /** All of the program's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** `none` starts the program without bubblewrap: for trusted code on a developer's own machine. */
  readonly isolation: "bubblewrap" | "none";
  readonly uids?: UidRange | undefined;
}

/** Starts processes in sandboxes of one kind. */
export class Sandbox {
  readonly #options: SandboxOptions;
  readonly #filterPath: string;
  readonly #cgroups: Cgroups | undefined;
  readonly #uids: UidPool | undefined;
  readonly #bwrap: string;

  /** @throws {Error} when bubblewrap is not installed */
  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#filterPath = join(options.root.path, "filter.bpf");
    writeFileSync(this.#filterPath, options.outerFilter, { mode: 0o444 });
    this.#cgroups = openCgroups();
    this.#uids = process.getuid?.() === 0 ? new UidPool(options.uids ?? DEFAULT_UIDS) : undefined;
    const found = Bun.which("bwrap");
    if (found === null && options.isolation !== "none") {
      throw new Error("Cannot run code: bubblewrap is not installed (package bubblewrap, program bwrap)");
    }
    this.#bwrap = found ?? "bwrap";
  }

  /** The layers around each process. */
  get layers(): readonly string[] {
    const cgroup = this.#cgroups === undefined ? [] : [this.#cgroups.layer];
    const own = this.#uids === undefined ? [] : ["own-uid"];
    const namespaces = this.#options.isolation === "none" ? [] : BUBBLEWRAP_LAYERS;
    return [
      ...namespaces,
      ...own,
      ...cgroup,
      "rlimits",
      ...(this.#options.seal.length > 0 ? ["seal"] : []),
      "supervisor",
    ];
  }

  /** Starts the root's program with `args`, to be sealed or not. @throws {IsopodError} `start_failed` */
  start(args: readonly string[], sealed: boolean): GuestProcess {
    let filter: number | undefined;
    let uid: number | undefined;
    let slot: CgroupSlot | undefined;
    try {
      filter = openSync(this.#filterPath, "r");
      uid = this.#uids?.take();
      slot = this.#cgroups?.take();
      return this.#spawn(args, sealed, filter, uid, slot);
    } catch (cause) {
      if (uid !== undefined) this.#uids?.give(uid);
      slot?.release();
      throw new IsopodError("start_failed", { cause });
    } finally {
      if (filter !== undefined) closeSync(filter);
    }
  }

  /** Removes what the sandboxes stood on; nothing may be running in them. */
  close(): void {
    this.#cgroups?.close();
    this.#options.root.remove();
  }

  #spawn(
    args: readonly string[],
    sealed: boolean,
    filter: number,
    uid: number | undefined,
    slot: CgroupSlot | undefined,
  ): GuestProcess {
    const { root, isolation, rlimits, env } = this.#options;
    // A cgroup bounds memory better, and without this limit a start needs no shell: 1 of 8 ms.
    const dataBytes = slot === undefined ? this.#options.dataBytes : 0;
    const seal = sealed ? this.#options.seal : NO_FILTER;
    const wrapped = { root, tmpBytes: undefined, binds: {}, seccompFd: 3, env, args };
    const command =
      isolation === "none"
        ? [root.programSource ?? join(root.path, root.program), ...args.map((arg) => join(root.path, arg))]
        : [this.#bwrap, ...bubblewrapArgs(wrapped)];
    const child = Bun.spawn(dataBytes === 0 ? command : withDataLimit(command, dataBytes), {
      stdio: ["pipe", "pipe", "pipe", filter],
      env: isolation === "none" ? { ...env } : {},
      cwd: "/",
      ...(uid !== undefined && { uid, gid: uid }),
    });
    slot?.add(child.pid);
    return new SandboxedProcess(child, { rlimits, seal, dataBytes }, this.layers, slot, {
      killSurvivors: () => slot?.killAll(),
      release: () => {
        if (uid !== undefined) this.#uids?.give(uid);
        slot?.release();
      },
    });
  }
}

/** What a process leaves to its sandbox. */
interface Remains {
  /** Ends what has outlived bubblewrap. */
  killSurvivors(): void;
  /** Gives uid and cgroup back; nothing uses them any more. */
  release(): void;
}

function withDataLimit(command: readonly string[], dataBytes: number): string[] {
  return ["/bin/sh", "-c", `ulimit -c 0; ulimit -d ${dataBytes / 1024}; exec "$0" "$@"`, ...command];
}

type Child = Bun.Subprocess<"pipe", "pipe", "pipe">;

class SandboxedProcess implements GuestProcess {
  readonly pid: number;
  readonly layers: readonly string[];
  readonly hello: GuestProcess["hello"];
  readonly output: ReadableStream<Uint8Array>;
  readonly exited: Promise<ProcessEnd>;
  readonly #child: Child;
  readonly #slot: CgroupSlot | undefined;
  #unreadBytes = 0;
  #reader: UsageReader | undefined;
  #last: Usage | undefined;
  #guest: number | undefined;
  #killed = false;
  #over = false;

  constructor(
    child: Child,
    hello: GuestProcess["hello"],
    layers: readonly string[],
    slot: CgroupSlot | undefined,
    remains: Remains,
  ) {
    this.#child = child;
    this.pid = child.pid;
    this.hello = hello;
    this.layers = layers;
    this.output = child.stdout;
    this.#slot = slot;
    this.exited = this.#watch(remains);
  }

  write(bytes: Uint8Array): void {
    try {
      this.#child.stdin.write(bytes);
      const flushed = this.#child.stdin.flush();
      if (flushed instanceof Promise) this.#wait(flushed, bytes.length);
    } catch {
      // It is gone; its end is reported by `exited`.
    }
  }

  /** What it has not read waits in our memory: one that never reads, and has much to be told, must not fill it. */
  #wait(flushed: Promise<unknown>, bytes: number): void {
    const settled = () => {
      this.#unreadBytes -= bytes;
    };
    this.#unreadBytes += bytes;
    flushed.then(settled, settled);
    if (this.#unreadBytes > UNREAD_BYTES_MAX) this.kill();
  }

  usage(): Usage | undefined {
    // Its number may be somebody else's by now.
    if (this.#over) return this.#last;
    try {
      this.#reader ??= new UsageReader(this.#guestPid());
      this.#last = this.#reader.read() ?? this.#last;
    } catch {
      // Gone: what was read last stands.
    }
    return this.#last;
  }

  limitMemory(bytes: number): void {
    this.#slot?.limitMemory(bytes);
  }

  kill(): void {
    if (this.#over || this.#killed) return;
    this.#killed = true;
    // The guest and not bubblewrap: bubblewrap then collects it and ends. An orphan would have to be collected by the
    // first process of this machine or container, which may well be this server.
    if (this.#guest === undefined) endTree(this.pid);
    else signal(this.#guest, "SIGKILL");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), SURVIVOR_MS);
    this.#child.exited.then(() => clearTimeout(late));
  }

  /** bubblewrap stays as the parent of the guest; without it the child is the guest. */
  #guestPid(): number {
    this.#guest = onlyChild(this.pid) ?? this.pid;
    this.#slot?.add(this.#guest);
    return this.#guest;
  }

  async #watch(remains: Remains): Promise<ProcessEnd> {
    const stderr = readTail(this.#child.stderr);
    const code = await this.#child.exited;
    this.#over = true;
    // Everything in the sandbox holds its standard error: when that is over, they are.
    let text = await within(SURVIVOR_MS, stderr);
    if (text === undefined) {
      remains.killSurvivors();
      text = await within(SURVIVOR_MS, stderr);
    }
    this.#reader?.close();
    this.#reader = undefined;
    const outOfMemory = this.#slot?.outOfMemory() ?? false;
    if (text !== undefined) remains.release();
    return { code, outOfMemory, stderr: text ?? "" };
  }
}

/** What `promise` gives within `ms` milliseconds, else undefined. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: Timer | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads to the end and keeps the last of it. */
async function readTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  let tail: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of stream) {
      const all = Buffer.concat([tail, chunk]);
      tail = all.subarray(Math.max(0, all.length - STDERR_BYTES_MAX));
    }
  } catch {
    // The process is gone; what was read is all there is.
  }
  return new TextDecoder().decode(tail);
}
