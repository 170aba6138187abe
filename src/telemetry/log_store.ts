/**
 * The log store: append-only files, searched by their bytes, followed by reading on.
 *
 * Files of lines and no database, as measured (bench/README.md): a record costs the request a push and the server half
 * a microsecond of text, where an indexed row costs several; a search for a rare text reads a million records in a fraction of a
 * second; retention is the removal of a file. A follower is a place in the files: it needs no queue, and is never in the way
 * of a writer.
 */
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { LogLine } from "../core/invocation.ts";
import type { LogFilter, LogItem, LogPage, LogQuery, LogStore } from "../core/log_store.ts";
import type { FinishedRequest, LogSource } from "../core/observer.ts";
import { BoundedQueue } from "../stdx/bounded_queue.ts";
import { LogFiles, type RetentionBounds } from "./log_files.ts";
import { LineFilter } from "./log_filter.ts";
import { GrowingPage, itemsOf, readNewest, readOldest } from "./log_page.ts";
import { ForwardReader } from "./log_reader.ts";
import { LogWaiters } from "./log_waiters.ts";
import { LogWriter } from "./log_writer.ts";

/** The store as its writers see it. */
export interface WritableLogStore extends LogStore {
  /** Takes a line of a program, or one that belongs to no request when the source has no request id. */
  line(source: LogSource, line: LogLine): void;
  /** Takes what became of a request that was a function's or a program's. */
  finished(request: FinishedRequest): void;
}

/** What a store is made of. */
export interface LogStoreOptions extends RetentionBounds {
  /** Where its files lie; other stores may have the same ones, in this process or another. */
  readonly directory: string;
  readonly clock: Clock;
  /** About how many bytes may wait to be written. */
  readonly pendingBytesMax?: number | undefined;
  /** Hears of what is wrong with the files. */
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}

/** Opens a store. @throws {Error} naming the directory when it cannot be used */
export function openLogStore(options: LogStoreOptions): WritableLogStore {
  try {
    return new FileLogStore(options, new LogFiles(options.directory, options));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : cause;
    throw new Error(`Cannot open the logs in ${options.directory}: ${reason}`, { cause });
  }
}

const QUERIES_MAX = 4;
const QUERIES_WAITING_MAX = 64;
const FOLLOWERS_MAX = 64;
const RETIRE_PERIOD_MAX_MS = 600_000;

class FileLogStore implements WritableLogStore {
  readonly #files: LogFiles;
  readonly #writer: LogWriter;
  readonly #closing = new AbortController();
  readonly #cancelRetiring: () => void;
  readonly #waiters: LogWaiters;
  readonly #line = new BoundedQueue<() => void>(QUERIES_WAITING_MAX);
  #queries = 0;
  #followers = 0;

  constructor(options: LogStoreOptions, files: LogFiles) {
    const { clock, ageMs, pendingBytesMax, report } = options;
    this.#files = files;
    this.#waiters = new LogWaiters(clock, () => this.#writer.betweenWrites(() => {}));
    this.#writer = new LogWriter({
      ...{ files, clock, pendingBytesMax },
      written: () => this.#waiters.wakeAll(),
      failed: (error) => report({ level: "error", text: "Cannot write the log store" }, { error }),
    });
    const retire = () => {
      try {
        files.retire(clock.wallNow());
      } catch (error) {
        report({ level: "error", text: "Cannot remove old files of the log store" }, { error });
      }
    };
    this.#writer.betweenWrites(retire);
    const period = Math.min(RETIRE_PERIOD_MAX_MS, ageMs / 8);
    this.#cancelRetiring = clock.every(period, () => this.#writer.betweenWrites(retire));
  }

  line(source: LogSource, line: LogLine): void {
    if (!this.#closing.signal.aborted) this.#writer.line(source, line);
  }

  finished(request: FinishedRequest): void {
    const { functionName, programHash, figures } = request;
    if (functionName === undefined && programHash === undefined && figures === undefined) return;
    if (!this.#closing.signal.aborted) this.#writer.finished(request);
  }

  async query(query: LogQuery, signal?: AbortSignal): Promise<LogPage> {
    await this.#enter();
    try {
      await this.#writer.flush();
      const filter = new LineFilter(query);
      const newestId = this.#files.nextId - 1;
      const page = new GrowingPage(query, newestId);
      const read = query.order === "oldest" ? readOldest : readNewest;
      for await (const item of read(this.#files, query, filter, newestId)) {
        signal?.throwIfAborted();
        if (item === undefined) continue;
        if (item.id > newestId) break;
        page.add(item);
        if (page.full) break;
      }
      return page.done();
    } finally {
      this.#leave();
    }
  }

  follow(query: LogFilter & Pick<LogQuery, "cursor">, signal: AbortSignal): AsyncIterable<LogItem> {
    if (this.#followers >= FOLLOWERS_MAX) throw new IsopodError("overloaded");
    this.#followers += 1;
    const ended = new AbortController();
    ended.signal.addEventListener("abort", () => {
      this.#followers -= 1;
    });
    const end = () => ended.abort();
    for (const each of [signal, this.#closing.signal]) {
      each.addEventListener("abort", end, { once: true, signal: ended.signal });
      if (each.aborted) end();
    }
    // What another server has written up to now is not to come; what waits here to be written is.
    let newestId = this.#files.nextId - 1;
    const placed = this.#writer.betweenWrites(() => {
      newestId = this.#files.nextId - 1;
    });
    const after = placed.then(() => Math.min(query.cursor ?? newestId, newestId));
    return this.#following(new LineFilter(query), after, ended);
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#cancelRetiring();
    await this.#writer.flush();
    this.#files.close();
  }

  async *#following(filter: LineFilter, place: Promise<number>, ended: AbortController): AsyncGenerator<LogItem> {
    try {
      const after = await place;
      const reader = new ForwardReader(this.#files, after + 1);
      while (!ended.signal.aborted) {
        const seen = this.#waiters.writes;
        const piece = await reader.next();
        if (piece !== undefined) yield* itemsOf(piece, filter, after);
        else if (this.#waiters.writes === seen) await this.#waiters.moreOrEnd(ended.signal);
      }
    } finally {
      ended.abort();
    }
  }

  async #enter(): Promise<void> {
    if (this.#queries < QUERIES_MAX) {
      this.#queries += 1;
      return;
    }
    // Whoever leaves hands its place on.
    const { promise, resolve } = Promise.withResolvers<void>();
    if (!this.#line.push(resolve)) throw new IsopodError("overloaded");
    await promise;
  }

  #leave(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#queries -= 1;
    else next();
  }
}
