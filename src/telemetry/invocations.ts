/**
 * What happened to the last invocations, by request id: how they ended, what they cost, and the last they logged.
 *
 * Bounded three ways: the number of records (the oldest leaves), the log bytes of one record (its last lines stay),
 * and the log bytes of all, spans included (the oldest records lose theirs). Nothing is written anywhere.
 */
import { type ErrorBody, errorBody } from "../core/errors.ts";
import type { InvocationFigures, LogLine } from "../core/invocation.ts";
import type { Span } from "../core/middleware.ts";
import type { FinishedRequest, LogTail } from "../core/observer.ts";
import { assert } from "../stdx/assert.ts";
import { BoundedTail, LINE_LENGTH } from "./bounded_tail.ts";

/** How many and how much. */
export interface InvocationsOptions {
  /** Records; 10,000 when left out. */
  readonly countMax?: number;
  /** Log characters of one record; 16 Ki when left out. */
  readonly logLengthMaxEach?: number;
  /** Log characters of all records; 32 Mi when left out. */
  readonly logLengthMaxAll?: number;
}

/** What is remembered of an invocation. */
export interface InvocationRecord {
  readonly requestId: string;
  /** Of the request that made this one, when it was a call from inside the server. */
  readonly parentRequestId?: string | undefined;
  /** Name of the function; undefined for a program that came with its request. */
  readonly functionName: string | undefined;
  /** Of the program that ran, where it is known. */
  readonly programHash: string | undefined;
  readonly method: string;
  readonly path: string;
  /** Status that was sent. */
  readonly status: number;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  /** Why it failed; also when the answer had begun. */
  readonly error: ErrorBody | undefined;
  readonly figures: InvocationFigures | undefined;
  /** What middlewares took of its time; left out when none ran. */
  readonly spans?: readonly Span[];
}

/** A record with the end of its log. */
export interface RememberedInvocation extends InvocationRecord {
  readonly logs: readonly LogLine[];
  /** Whether lines are missing before the first one, or are shortened; the log store may have them. */
  readonly logsCut: boolean;
  /** How many lines are missing. */
  readonly logsMissing: number;
}

/** The records. */
export interface Invocations {
  /** A tail for an invocation that has begun to log. */
  tail(): LogTail;
  /** Remembers an invocation that is over; a second record of one request id replaces the first. */
  record(request: FinishedRequest, tail?: LogTail): void;
  get(requestId: string): RememberedInvocation | undefined;
}

/** Creates an empty set of records. */
export function createInvocations(options: InvocationsOptions = {}): Invocations {
  return new RingInvocations(
    options.countMax ?? 10_000,
    options.logLengthMaxEach ?? 16 * 1024,
    options.logLengthMaxAll ?? 32 * 1024 * 1024,
  );
}

interface Slot {
  readonly request: FinishedRequest;
  tail: LogTail | undefined;
  spans: readonly Span[] | undefined;
  /** Of the tail when it was recorded: somebody may still add to it. */
  readonly length: number;
  /** Lines that were taken away to keep all within their bound. */
  stripped: number;
}

class RingInvocations implements Invocations {
  readonly #countMax: number;
  readonly #lengthMaxEach: number;
  readonly #lengthMaxAll: number;
  readonly #slots: (Slot | undefined)[] = [];
  /** How many were ever recorded; the next stands at this, modulo the ring. */
  #count = 0;
  /** The oldest that may still have a tail. */
  #oldestTail = 0;
  #length = 0;

  constructor(countMax: number, lengthMaxEach: number, lengthMaxAll: number) {
    assert(countMax > 0, "at least one invocation is remembered");
    this.#countMax = countMax;
    this.#lengthMaxEach = lengthMaxEach;
    this.#lengthMaxAll = lengthMaxAll;
  }

  tail(): LogTail {
    return new BoundedTail(this.#lengthMaxEach);
  }

  record(request: FinishedRequest, tail?: LogTail): void {
    const index = this.#count % this.#countMax;
    const leaving = this.#slots[index];
    if (leaving !== undefined) this.#strip(leaving);
    const { spans } = request;
    const length = (tail?.length ?? 0) + (spans === undefined ? 0 : lengthOf(spans));
    const slot: Slot = { request, tail, spans, length, stripped: 0 };
    this.#slots[index] = slot;
    this.#count += 1;
    this.#length += slot.length;
    this.#oldestTail = Math.max(this.#oldestTail, this.#count - this.#countMax);
    while (this.#length > this.#lengthMaxAll && this.#oldestTail < this.#count) {
      const oldest = this.#slots[this.#oldestTail % this.#countMax];
      if (oldest !== undefined) this.#strip(oldest);
      this.#oldestTail += 1;
    }
  }

  get(requestId: string): RememberedInvocation | undefined {
    const slot = this.#find(requestId);
    if (slot === undefined) return undefined;
    const { error, parentRequestId, functionName, programHash, method, path, status, startedAt, figures } =
      slot.request;
    const { spans } = slot;
    const logsMissing = slot.stripped + (slot.tail?.missing ?? 0);
    const logsCut = logsMissing > 0 || (slot.tail?.cut ?? false);
    const logs = slot.tail?.lines ?? [];
    const why = error && errorBody(error, requestId);
    return {
      ...(parentRequestId !== undefined && { parentRequestId }),
      ...{ requestId, functionName, programHash, method, path, status, startedAt, error: why, figures },
      ...(spans !== undefined && { spans }),
      ...{ logs, logsCut, logsMissing },
    };
  }

  /** The newest record of a request, searched for: an index would be work on every request, and few are asked for. */
  #find(requestId: string): Slot | undefined {
    for (let index = this.#count - 1; index >= Math.max(0, this.#count - this.#countMax); index -= 1) {
      const slot = this.#slots[index % this.#countMax];
      if (slot?.request.requestId === requestId) return slot;
    }
    return undefined;
  }

  #strip(slot: Slot): void {
    if (slot.tail === undefined && slot.spans === undefined) return;
    this.#length -= slot.length;
    slot.spans = undefined;
    if (slot.tail === undefined) return;
    slot.stripped = slot.tail.missing + slot.tail.lines.length;
    slot.tail = undefined;
  }
}

/** What spans count for beside log lines. */
function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { name, middleware, attributes }) => {
    const said = attributes === undefined ? 0 : JSON.stringify(attributes).length;
    return sum + LINE_LENGTH + name.length + middleware.length + said;
  }, 0);
}
