/** The `script` engine: JavaScript and TypeScript in a sealed Bun guest. */
import type { Engine, GuestProcess } from "../../core/engine.ts";
import type { LogLine } from "../../core/invocation.ts";
import { layRoot } from "../../sandbox/root.ts";
import { Sandbox } from "../../sandbox/sandbox.ts";
import { outerFilter, sealFilter } from "../../sandbox/seccomp.ts";
import type { UidRange } from "../../sandbox/uids.ts";
import { Zygotes } from "../../sandbox/zygotes.ts";

/** How the engine is set up. */
export interface ScriptEngineOptions {
  /** The Bun binary that guests run on. */
  readonly bun: string;
  /** The bundled guest. */
  readonly guestCode: string;
  /** The guest as an executable (`compiled_guest.ts`); without it, Bun runs the guest's text. */
  readonly compiledGuest?: string | undefined;
  /** Where the root of the sandboxes is laid. */
  readonly directory: string;
  readonly isolation: "bubblewrap" | "none";
  /** The most memory that any instance may get, in bytes. */
  readonly memoryBytesMax: number;
  readonly uids?: UidRange | undefined;
  /** Told when instances have to be started in a dearer way than by forking. */
  report?(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}

const GUEST = "/guest.js";

/** What Bun needs of RLIMIT_DATA before it has run anything: it boots at 512 MiB and not at 256. */
const DATA_BASELINE_BYTES = 512 * 1024 * 1024;

/**
 * Bun reserves 1 GiB for its just-in-time compiler, fails to under RLIMIT_DATA, and then silently interprets: nine
 * times slower. 64 MiB is more machine code than a function has.
 *
 * Memories of WebAssembly whose bounds are guarded by 4 GiB of addresses are few in JavaScriptCore: making one more
 * collects all garbage first, at each instance. Those whose bounds are checked by code are as fast, and made in 5 µs.
 */
const ENVIRONMENT = {
  BUN_JSC_jitMemoryReservationSize: String(64 * 1024 * 1024),
  BUN_JSC_useWasmFastMemory: "0",
  TZ: "UTC",
  LANG: "C.UTF-8",
};

/** Linux's numbers of the limits that a guest gets. */
const RLIMIT = { FSIZE: 1, CORE: 4, NPROC: 6, NOFILE: 7, MEMLOCK: 8, MSGQUEUE: 12 } as const;

/** Threads that a guest may have; Bun itself uses about ten, a Web Worker two. */
const THREADS_MAX = 64;

/** Creates the engine. @throws {Error} when this machine cannot run sandboxes */
export function createScriptEngine(options: ScriptEngineOptions): Engine {
  const { directory, bun, guestCode, compiledGuest } = options;
  const text = compiledGuest === undefined;
  const root = layRoot({ directory, program: compiledGuest ?? bun, files: text ? { [GUEST]: guestCode } : {} });
  const sandbox = new Sandbox({
    root,
    outerFilter: outerFilter(),
    zygoteFilter: outerFilter({ sockets: false, exec: false, zygote: true }),
    seal: sealFilter(),
    dataBytes: DATA_BASELINE_BYTES + options.memoryBytesMax,
    rlimits: [
      [RLIMIT.FSIZE, 0],
      [RLIMIT.CORE, 0],
      [RLIMIT.NPROC, THREADS_MAX],
      [RLIMIT.NOFILE, 64],
      [RLIMIT.MEMLOCK, 0],
      [RLIMIT.MSGQUEUE, 0],
    ],
    // The server may itself be an executable with a program inside: this makes it Bun again.
    env: text ? { ...ENVIRONMENT, BUN_BE_BUN: "1" } : ENVIRONMENT,
    isolation: options.isolation,
    uids: options.uids,
  });
  const args = text ? [GUEST] : [];
  const zygotes =
    options.isolation === "none"
      ? undefined
      : new Zygotes(() => sandbox.openZygote([...args, "--zygote"]), options.report);
  return {
    name: "script",
    layers: zygotes === undefined ? sandbox.layers : sandbox.forkedLayers,
    async start(purpose): Promise<GuestProcess> {
      const forked = purpose === "run" ? await zygotes?.fork() : undefined;
      return forked ?? sandbox.start(args, purpose === "run");
    },
    async close() {
      await zygotes?.close();
      sandbox.close();
    },
  };
}
