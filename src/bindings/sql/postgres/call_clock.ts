/**
 * The time of one call, from its first moment to its answer: when it is over, or when nobody waits for the answer any more,
 * what runs is cancelled, and its connection ended where the server does not hear.
 */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import { timedOut } from "../refused.ts";
import type { PgConnection } from "./connection.ts";

/** How long a server may take to end what was cancelled. */
const CANCEL_GRACE_MS = 500;

/** The clock of one call. */
export class CallClock {
  readonly #clock: Clock;
  readonly #ender = new AbortController();
  readonly #callers: AbortSignal;
  readonly #callerGone = () => this.#end(new IsopodError("client_gone"));
  #connection: PgConnection | undefined;
  #stopTimer: () => void;

  /** @param callers fires when nobody waits any more */
  constructor(clock: Clock, workMs: number, callers: AbortSignal) {
    this.#clock = clock;
    this.#callers = callers;
    this.#stopTimer = clock.after(workMs, () => this.#end(timedOut(workMs)));
    callers.addEventListener("abort", this.#callerGone);
    if (callers.aborted) this.#callerGone();
  }

  /** Fires when it is over, with the error of the call. */
  get signal(): AbortSignal {
    return this.#ender.signal;
  }

  /** The error of the call, once it is over. */
  get reason(): IsopodError | undefined {
    return this.signal.reason as IsopodError | undefined;
  }

  /** From now on the call is at work on `connection`; undefined when it is at work no more. @throws {IsopodError} when it is over */
  attach(connection: PgConnection | undefined): void {
    this.#connection = connection;
    if (connection !== undefined) this.signal.throwIfAborted();
  }

  /** There is an answer. */
  stop(): void {
    this.#stopTimer();
    this.#connection = undefined;
    this.#callers.removeEventListener("abort", this.#callerGone);
  }

  #end(reason: IsopodError): void {
    if (this.signal.aborted) return;
    this.#stopTimer();
    this.#ender.abort(reason);
    const connection = this.#connection;
    if (connection === undefined) return;
    connection.cancel();
    this.#stopTimer = this.#clock.after(CANCEL_GRACE_MS, () => connection.destroy());
  }
}
