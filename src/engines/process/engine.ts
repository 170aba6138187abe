/**
 * The `process` engine: any program, beside a guest of ours that starts it and is all that it can reach.
 *
 * An instance begins with its program's files, so none waits for one. Nothing is prepared before the first is started:
 * a server without such functions pays nothing for them.
 */
import type { Engine, GuestProcess } from "../../core/engine.ts";
import { IsopodError } from "../../core/errors.ts";
import { layRoot, makeCodeFolder, removeFolder } from "../../sandbox/root.ts";
import { Sandbox } from "../../sandbox/sandbox.ts";
import { outerFilter } from "../../sandbox/seccomp.ts";
import { ETC_FILES, folderRoot, systemFiles, systemRoot } from "../../sandbox/system_root.ts";
import type { UidRange } from "../../sandbox/uids.ts";
import { deferred } from "../../stdx/deferred.ts";
import { FileTrees } from "./file_trees.ts";
import { RUNTIME_FILES } from "./runtimes.ts";

/** The guest, ready to be run. */
export interface ProcessGuest {
  /** An executable of its own, or the Bun binary. */
  readonly program: string;
  /** The guest's text, when `program` is Bun. */
  readonly code: string | undefined;
}

/** How the engine is set up. */
export interface ProcessEngineOptions {
  /** Makes the guest, once, when it is first needed. */
  guest(): Promise<ProcessGuest>;
  /** Where what sandboxes stand on is laid. */
  readonly directory: string;
  /** The most memory that any instance may get, in bytes. */
  readonly memoryBytesMax: number;
  readonly uids?: UidRange | undefined;
}

const GUEST = "guest.js";

/** What Bun needs of RLIMIT_DATA to boot, where there is no cgroup. */
const DATA_BASELINE_BYTES = 512 * 1024 * 1024;

/** Less machine code than a program's guest would ever have. */
const ENVIRONMENT = {
  BUN_JSC_jitMemoryReservationSize: String(64 * 1024 * 1024),
  TZ: "UTC",
  LANG: "C.UTF-8",
};

/** Linux's numbers of the limits that a guest gets, and its program with it. */
const RLIMIT = { CORE: 4, NPROC: 6, NOFILE: 7, MEMLOCK: 8, MSGQUEUE: 12 } as const;

/** Threads and processes, and open files of each, that an instance may have. */
const THREADS_MAX = 256;
const FILES_MAX = 1024;

/** The share of an instance's memory that its /tmp, and its /dev/shm, may hold. */
const TMP_SHARE = 0.5;

const DEVICES = ["zero", "full", "random", "urandom"];

/** Creates the engine; what it needs of the machine is looked for when the first instance is started. */
export function createProcessEngine(options: ProcessEngineOptions): Engine {
  const trees = new FileTrees(() => makeCodeFolder(options.directory), removeFolder);
  /** Known once the first sandbox is opened. */
  let layers: readonly string[] = [];
  /** By the folder that is the root; the machine's own has no name. */
  const opened = new Map<string, Promise<Opened>>();
  const open = (folder = "") => {
    const known = opened.get(folder);
    if (known !== undefined) return known;
    const opening = openSandbox(options, folder);
    opened.set(folder, opening);
    opening.then(
      ({ sandbox }) => {
        layers = sandbox.layers;
      },
      () => opened.delete(folder),
    );
    return opening;
  };
  return {
    name: "process",
    get layers() {
      return layers;
    },
    async start(_purpose, launch): Promise<GuestProcess> {
      const program = launch?.program;
      if (launch === undefined || program?.kind !== "process")
        throw new IsopodError("start_failed", { cause: "the process engine starts its own programs only" });
      const gone = deferred<void>();
      try {
        const { middlewares } = program;
        const [{ sandbox, args, binds }, code, layers, hooks] = await Promise.all([
          open(program.root),
          trees.lay([program.code], gone.promise),
          trees.lay(program.layers, gone.promise),
          trees.lay(middlewares === undefined ? [] : [middlewares], gone.promise),
        ]);
        const process = sandbox.start(args, false, {
          tmpBytes: Math.floor(launch.memoryBytes * TMP_SHARE),
          binds: [
            ...binds,
            ...bindOf("/var/task", code),
            ...bindOf("/opt", layers),
            ...bindOf("/var/middlewares", hooks),
          ],
          devices: DEVICES,
        });
        process.exited.then(() => gone.resolve());
        return process;
      } catch (cause) {
        gone.resolve();
        throw cause instanceof IsopodError ? cause : new IsopodError("start_failed", { cause });
      }
    },
    async close() {
      for (const opening of opened.values()) (await opening.catch(() => undefined))?.sandbox.close();
      trees.close();
    },
  };
}

function bindOf(to: string, from: string | undefined): [string, string][] {
  return from === undefined ? [] : [[to, from]];
}

interface Opened {
  readonly sandbox: Sandbox;
  readonly args: readonly string[];
  readonly binds: readonly (readonly [string, string])[];
}

async function openSandbox(
  { guest, directory, memoryBytesMax, uids }: ProcessEngineOptions,
  own: string,
): Promise<Opened> {
  const { program, code } = await guest();
  const { links, folders, binds, files } = own === "" ? { ...systemRoot(), files: [] } : folderRoot(own);
  const placed = Object.fromEntries([...files, ...DEVICES.map((name) => `dev/${name}`)].map((path) => [path, ""]));
  const root = layRoot({
    ...{ directory, program, withoutLibraries: true },
    files: { ...placed, ...(own === "" && ETC_FILES), ...RUNTIME_FILES, ...(code !== undefined && { [GUEST]: code }) },
    folders: [...folders, "var/task", "var/middlewares", "opt", "dev/shm", "run"],
    links: { ...links, "dev/fd": "/proc/self/fd", "dev/stdin": "fd/0", "dev/stdout": "fd/1", "dev/stderr": "fd/2" },
    copies: own === "" ? systemFiles() : [],
  });
  const sandbox = new Sandbox({
    root,
    outerFilter: outerFilter({ sockets: true, exec: true }),
    seal: new Uint8Array(0),
    dataBytes: DATA_BASELINE_BYTES + memoryBytesMax,
    rlimits: [
      [RLIMIT.CORE, 0],
      [RLIMIT.NPROC, THREADS_MAX],
      [RLIMIT.NOFILE, FILES_MAX],
      [RLIMIT.MEMLOCK, 0],
      [RLIMIT.MSGQUEUE, 0],
    ],
    env: code === undefined ? ENVIRONMENT : { ...ENVIRONMENT, BUN_BE_BUN: "1" },
    isolation: "bubblewrap",
    uids,
  });
  return { sandbox, binds, args: code === undefined ? [] : [`/${GUEST}`] };
}
