/** What the guest hands its frames to once a program is loaded. */
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";

/** Runs a loaded program: many invocations of a function, or the one of a program. */
export interface ProgramRunner {
  /** Whether enough of it has arrived to begin with. */
  readonly ready: boolean;
  /** Begins; from here on the runner decides when the channel is read. */
  start(): void;
  /** The host opened an invocation. */
  open(stream: WireStream, head: Uint8Array): StreamEvents | undefined;
  /** The stream of the invocation that is running now; 0 when that cannot be told. */
  currentInvocation(): number;
  /** Calls of bindings went from none to some, or back. */
  busy(busy: boolean): void;
}
