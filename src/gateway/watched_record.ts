/** What becomes of a call, told to its record and to a caller who reads along. */
import type { CallObserver } from "../core/function_caller.ts";
import type { InvocationEnd, InvocationObserver, LogLine } from "../core/invocation.ts";
import type { Span } from "../core/middleware.ts";
import type { ExchangeRecord } from "./exchange_record.ts";

/** The record of a call whose caller reads along. */
export class WatchedRecord implements InvocationObserver {
  readonly #record: ExchangeRecord;
  readonly #observer: CallObserver;

  constructor(record: ExchangeRecord, observer: CallObserver) {
    this.#record = record;
    this.#observer = observer;
  }

  log(line: LogLine): void {
    this.#record.log(line);
    this.#observer.log?.(line);
  }

  timed(spans: readonly Span[]): void {
    this.#record.timed(spans);
  }

  ended(end: InvocationEnd): void {
    this.#record.ended(end);
    this.#observer.ended?.(end);
  }
}
