/** What a dialect is to the guest: it starts a program and hands invocations to it. */
import type { LoadParcel } from "../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { Child } from "./child.ts";

/** How a program is started. */
export interface StartOptions {
  /** Whether its standard input and output are its work's. */
  readonly pipes: boolean;
  /** What its lines are called; `function` when left out. */
  readonly source?: "function" | "extension";
}

/** What dialects have of their guest. */
export interface DialectHost {
  readonly load: LoadParcel;
  readonly env: Readonly<Record<string, string>>;
  /** Starts a program of the sandbox, whose end is the end of the instance. @throws {Error} */
  start(command: readonly string[], options: StartOptions): Child;
  /** The program can take invocations. */
  ready(): void;
  /** The program cannot be used, and says why; the instance is over. */
  failInit(message: string, stack?: string): void;
  /** The after-work of an invocation is over, or has gone wrong. */
  settled(stream: WireStream | undefined, wrong?: string): void;
  /** Sends what was said to the host at once: an answer has somebody who waits for it. */
  flush(): void;
  /** Writes a line of our own to the log. */
  note(line: string): void;
  /** Ends the instance with all that runs in it. */
  end(code: number): never;
}

/** A dialect. */
export interface Dialect {
  /** Starts the program. @throws {Error} when it cannot be started */
  start(): void;
  /** An invocation has come. */
  open(stream: WireStream, head: Uint8Array): StreamEvents;
  /** The stream of the invocation that runs; 0 when there is none. */
  readonly current: number;
  /** An invocation has no answer, and its program was told to end: what is left is its deadline, which the host keeps. */
  readonly isTimedOut: boolean;
  /** Nothing more comes: what has registered for it is told; resolves when the guest may end. */
  shutDown(): Promise<void>;
}
