/** What an invocation knows of the instance that it runs in: who hears what becomes of it. */
import type { IsopodError } from "../core/errors.ts";
import type { AnswerHeads } from "./answer_heads.ts";

/** What an invocation tells its instance. */
export interface InvocationOwner<Invocation> {
  readonly heads: AnswerHeads;
  now(): number;
  /** The invocation is over, after-work included or given up; `error` says why it failed. */
  finished(invocation: Invocation, error: IsopodError | undefined): void;
  /** The program has broken a limit or the protocol: it must not go on, whatever it does. */
  broke(invocation: Invocation, error: IsopodError): void;
  /** Bytes have been read, on a stream whose back-pressure is the pipe. */
  relieved(): void;
}
