/**
 * The engine port: how the code-less instances of one kind come to be.
 *
 * Life cycle: one engine object a server. `start` gives a process in which a guest of ours runs and waits for the
 * host's hello on its standard input; everything from there on is frames, which the pool speaks. `close` ends what
 * the engine itself holds (never instances: those belong to who started them).
 * Errors: `start` rejects with an `IsopodError` (`start_failed`) that names the cause for the log.
 */
import type { BrowserProgram } from "./browser_program.ts";
import type { EngineName } from "./function.ts";
import type { ProcessProgram } from "./process_program.ts";

/** What a process uses now. */
export interface Usage {
  /** Processor time of all its threads since it started, in milliseconds. */
  readonly cpuMs: number;
  /** Private and shared memory in bytes, mapped files left out. */
  readonly memoryBytes: number;
}

/** How a process ended. */
export interface ProcessEnd {
  /** Exit code, or 128 + the signal's number. */
  readonly code: number;
  /** The kernel ended it because its cgroup was out of memory. */
  readonly outOfMemory: boolean;
  /** The last of what it wrote to standard error, for our log. */
  readonly stderr: string;
  /** Why, in words for its callers, where there are better ones than its code. */
  readonly reason?: string | undefined;
  /** It has ended before its program began, which is not the program's fault. */
  readonly isStart?: boolean | undefined;
}

/** Who hears what a guest writes. */
export interface GuestReader {
  /** The next bytes, which are the reader's for good. Must not throw. */
  data(chunk: Uint8Array): void;
  /** Nothing more will come: the guest is gone, or speaks no more. */
  end(): void;
}

/** A sandboxed process with a guest in it. */
export interface GuestProcess {
  /** Process id of the sandbox on the host. */
  readonly pid: number;
  /** The layers of isolation that are active around it. */
  readonly layers: readonly string[];
  /** What the guest's hello must hold: resource limits and the filter that seals it. */
  readonly hello: {
    readonly rlimits: readonly (readonly [resource: number, value: number])[];
    /** RLIMIT_DATA as it was set before the guest started; 0 when it was not. */
    readonly dataBytes: number;
    readonly seal: Uint8Array;
  };
  /** Hands bytes to the guest; they are copied or written before it returns. Never throws: a dead guest takes all. */
  write(bytes: Uint8Array): void;
  /** How much is gathered in a turn of the event loop before it is written, in bytes; a few requests when left out. */
  readonly flushBytes?: number;
  /** Hands what the guest writes to `reader`, chunk by chunk; called once. */
  read(reader: GuestReader): void;
  /** Reads no more for now, which slows the guest down; a chunk may still come. */
  pause(): void;
  /** Reads on. */
  resume(): void;
  /** Set by who speaks with it: hears the text that it writes past its channel, such as a Web Worker's console. */
  stray: ((text: string) => void) | undefined;
  /** What it uses now; undefined when it is gone. Costs two small system calls or so. */
  usage(): Usage | undefined;
  /** Bounds its memory by cgroup, where there is one. */
  limitMemory(bytes: number): void;
  /** Ends it at once, with everything that runs in its sandbox. */
  kill(): void;
  /** Tells the guest that nothing more comes, so that it may end what it runs in good order; it is killed after `ms`. */
  finish?(ms: number): void;
  /** Stops what the guest runs at this moment, if it does not answer; what it runs besides goes on. */
  interrupt?(): void;
  /** Set when what it stands on is to be replaced: it should be given nothing more. */
  readonly due?: boolean;
  /** Settles when it is gone; never rejects. */
  readonly exited: Promise<ProcessEnd>;
}

/** What must be known before a process starts, where it has its program's files, or its place among others, from the start. */
export interface Launch {
  readonly program: ProcessProgram | BrowserProgram;
  /** The limit of its memory, in bytes. */
  readonly memoryBytes: number;
  /** Whose it is: what is of one project may share what is not of another. */
  readonly project: string;
  /** What its instances have in common: a version's key, or a name of its own for a program that came with a request. */
  readonly key: string;
}

/** The port. Implementations stand in `engines/`. */
export interface Engine {
  readonly name: EngineName;
  /** The layers of isolation around every instance. */
  readonly layers: readonly string[];
  /**
   * Starts a process whose guest waits for its hello.
   * @param purpose `build` for one that only bundles: it is not sealed, since a bundler opens folders, and gets no
   * code to run
   * @param launch the program, for an engine whose instances begin with it; others are given theirs afterwards
   */
  start(purpose: "run" | "build", launch?: Launch): Promise<GuestProcess>;
  /** Removes what the engine holds. */
  close(): Promise<void>;
}
