/**
 * Starts sandboxed processes: bubblewrap, the filter, the uid, the cgroup slot.
 *
 * This is the only place where a process with foreign code in it can come from. What becomes of it then is the
 * business of `process.ts`; what it says is the pool's.
 */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GuestProcess } from "../core/engine.ts";
import { IsopodError } from "../core/errors.ts";
import {
  BUBBLEWRAP_LAYERS,
  bubblewrapArgs,
  FORKED_LAYERS,
  findBubblewrap,
  type Mounts,
  NESTING_LAYERS,
} from "./bubblewrap.ts";
import { type Cgroups, openCgroups } from "./cgroup.ts";
import type { CgroupSlot } from "./cgroup_slot.ts";
import { closeAll, socketPair } from "./native.ts";
import { SandboxedProcess } from "./process.ts";
import type { SandboxOptions } from "./sandbox_options.ts";
import { DEFAULT_UIDS, UidPool } from "./uids.ts";
import { Zygote } from "./zygote.ts";

const NO_FILTER = new Uint8Array(0);

/** What a zygote may use, in bytes: what its instances have in common with it is counted there. */
const ZYGOTE_BYTES_MAX = 512 * 1024 * 1024;

/** Starts processes in sandboxes of one kind. */
export class Sandbox {
  readonly #options: SandboxOptions;
  readonly #filterPath: string;
  readonly #zygoteFilterPath: string;
  readonly #cgroups: Cgroups | undefined;
  readonly #uids: UidPool | undefined;
  readonly #bwrap: string;

  /** @throws {Error} when bubblewrap is not installed */
  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#filterPath = join(options.root.path, "filter.bpf");
    writeFileSync(this.#filterPath, options.outerFilter, { mode: 0o444 });
    this.#zygoteFilterPath = join(options.root.path, "zygote_filter.bpf");
    writeFileSync(this.#zygoteFilterPath, options.zygoteFilter ?? NO_FILTER, { mode: 0o444 });
    this.#cgroups = openCgroups(options.pidsMax);
    this.#uids = process.getuid?.() === 0 ? new UidPool(options.uids ?? DEFAULT_UIDS) : undefined;
    this.#bwrap = options.isolation === "none" ? "" : findBubblewrap();
  }

  /** The layers around each process that is started. */
  get layers(): readonly string[] {
    const { isolation, nests } = this.#options;
    return this.#layers(isolation === "none" ? [] : nests === true ? NESTING_LAYERS : BUBBLEWRAP_LAYERS);
  }

  /** The layers around each process that a zygote forks. */
  get forkedLayers(): readonly string[] {
    return this.#layers(FORKED_LAYERS);
  }

  /** Starts the root's program with `args`, to be sealed or not. @throws {IsopodError} `start_failed` */
  start(args: readonly string[], sealed: boolean, mounts?: Mounts): GuestProcess {
    return this.#start(args, sealed, undefined, mounts);
  }

  /** Starts the root's program with `args` as a zygote, and waits until it has booted. @throws {IsopodError} `start_failed` */
  async openZygote(args: readonly string[]): Promise<Zygote> {
    const [requests, theirs] = socketPair();
    let zygote: Zygote;
    try {
      const process = this.#start(args, false, theirs);
      process.limitMemory(ZYGOTE_BYTES_MAX);
      zygote = new Zygote({
        ...{ process, requests, layers: this.forkedLayers },
        hello: { ...process.hello, seal: this.#options.seal },
        takeSlot: () => this.#cgroups?.take(),
      });
    } catch (cause) {
      closeAll([requests]);
      throw cause;
    } finally {
      closeAll([theirs]);
    }
    try {
      await zygote.boot();
      return zygote;
    } catch (cause) {
      zygote.close();
      await zygote.ended;
      throw cause;
    }
  }

  /** Removes what the sandboxes stood on; nothing may be running in them. */
  close(): void {
    this.#cgroups?.close();
    this.#options.root.remove();
  }

  #layers(isolation: readonly string[]): readonly string[] {
    const own = this.#uids === undefined ? [] : ["own-uid"];
    const cgroup = this.#cgroups === undefined ? [] : [this.#cgroups.layer];
    const seal = this.#options.seal.length > 0 ? ["seal"] : [];
    return [...isolation, ...own, ...cgroup, "rlimits", ...seal, "supervisor"];
  }

  #start(args: readonly string[], sealed: boolean, requests: number | undefined, mounts?: Mounts): GuestProcess {
    let filter: number | undefined;
    let uid: number | undefined;
    let slot: CgroupSlot | undefined;
    try {
      filter = openSync(requests === undefined ? this.#filterPath : this.#zygoteFilterPath, "r");
      uid = this.#uids?.take();
      slot = this.#cgroups?.take();
      return this.#spawn({ args, sealed, requests, filter, uid, slot, mounts });
    } catch (cause) {
      if (uid !== undefined) this.#uids?.give(uid);
      slot?.release();
      throw new IsopodError("start_failed", { cause });
    } finally {
      if (filter !== undefined) closeSync(filter);
    }
  }

  #spawn({ args, sealed, requests, filter, uid, slot, mounts }: Start): GuestProcess {
    const { root, isolation, rlimits, env, nests } = this.#options;
    // A cgroup bounds memory better, and without this limit a start needs no shell: 1 of 8 ms.
    const dataBytes = slot === undefined ? this.#options.dataBytes : 0;
    const seal = sealed ? this.#options.seal : NO_FILTER;
    const wrapped = { root, mounts, seccompFd: 3, env, args, userNamespaces: requests !== undefined || nests === true };
    const command =
      isolation === "none"
        ? [root.programSource ?? join(root.path, root.program), ...args.map((arg) => join(root.path, arg))]
        : [this.#bwrap, ...bubblewrapArgs(wrapped)];
    const [pipe, theirs] = socketPair();
    let child: Bun.Subprocess<number, number, "pipe">;
    try {
      child = Bun.spawn(dataBytes === 0 ? command : withDataLimit(command, dataBytes), {
        stdio: [requests ?? theirs, theirs, "pipe", filter],
        env: isolation === "none" ? { ...env } : {},
        cwd: "/",
        // Ctrl-C at the server's terminal is for the server, which lets what runs in here end.
        detached: true,
        ...(uid !== undefined && { uid, gid: uid }),
      });
    } catch (error) {
      closeSync(pipe);
      throw error;
    } finally {
      closeSync(theirs);
    }
    slot?.add(child.pid);
    const remains = {
      killSurvivors: () => slot?.killAll(),
      release: () => {
        if (uid !== undefined) this.#uids?.give(uid);
        slot?.release();
      },
    };
    const hello = { rlimits, seal, dataBytes };
    return new SandboxedProcess(child, pipe, hello, this.layers, slot, remains, mounts !== undefined);
  }
}

/** One start. */
interface Start {
  readonly args: readonly string[];
  readonly sealed: boolean;
  /** The zygote's end of the socket that requests go over; undefined for what is no zygote. */
  readonly requests: number | undefined;
  readonly filter: number;
  readonly uid: number | undefined;
  readonly slot: CgroupSlot | undefined;
  readonly mounts: Mounts | undefined;
}

function withDataLimit(command: readonly string[], dataBytes: number): string[] {
  return ["/bin/sh", "-c", `ulimit -c 0; ulimit -d ${dataBytes / 1024}; exec "$0" "$@"`, ...command];
}
