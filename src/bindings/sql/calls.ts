/** Calls that wait for their database, first come, first served, in bounded number and size. */
import { IsopodError } from "../../core/errors.ts";
import { type Deferred, deferred } from "../../stdx/deferred.ts";
import type { SqlPoolLimits } from "./limits.ts";

/** A call. */
export interface WaitingCall {
  /** The head, with the end of its line. */
  readonly head: Uint8Array;
  readonly request: Uint8Array;
  /** How long its work may take, in milliseconds. */
  readonly workMs: number;
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal | undefined;
  readonly answer: Deferred<Uint8Array>;
}

/** The line of one database. */
export class CallLine {
  readonly #limits: SqlPoolLimits;
  readonly #calls = new Set<WaitingCall>();
  #bytes = 0;

  constructor(limits: SqlPoolLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0;
  }

  /** @throws {IsopodError} `overloaded` */
  add(asked: Omit<WaitingCall, "answer">): WaitingCall {
    const { waitingMax, waitingBytesMax } = this.#limits;
    if (this.#calls.size >= waitingMax || this.#bytes + asked.request.length > waitingBytesMax) {
      throw new IsopodError("overloaded", { cause: "too many calls wait for the database", retryAfterSeconds: 1 });
    }
    const call = { ...asked, answer: deferred<Uint8Array>() };
    this.#calls.add(call);
    this.#bytes += asked.request.length;
    return call;
  }

  /** The next call; undefined when there is none. */
  next(): WaitingCall | undefined {
    const [call] = this.#calls;
    if (call !== undefined) this.remove(call);
    return call;
  }

  /** Takes a call out. Returns whether it was still waiting. */
  remove(call: WaitingCall): boolean {
    if (!this.#calls.delete(call)) return false;
    this.#bytes -= call.request.length;
    return true;
  }

  /** Refuses all that wait. */
  fail(error: IsopodError): void {
    for (let call = this.next(); call !== undefined; call = this.next()) call.answer.reject(error);
  }
}
