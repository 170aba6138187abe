/** A log store in a temporary folder, with a clock that the test turns, and requests that are over, for tests. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogItem, LogPage, LogQuery } from "../core/log_store.ts";
import type { FinishedRequest, LogSource } from "../core/observer.ts";
import { type LogStoreOptions, openLogStore, type WritableLogStore } from "../telemetry/log_store.ts";
import { FakeClock } from "./fake_clock.ts";

const HOUR_MS = 3_600_000;

/** Whose a line of the function `name` is. */
export function sourceOf(name: string, over: Partial<LogSource> = {}): LogSource {
  return { requestId: `r-${name}`, target: name, functionName: name, programHash: undefined, ...over };
}

/** A request that a function answered. */
export function finishedRequest(name: string, over: Partial<FinishedRequest> = {}): FinishedRequest {
  return {
    ...sourceOf(name),
    ...{ method: "GET", host: "localhost", path: `/${name}`, status: 200, startedAt: 1_700_000_000_000 },
    ...{ durationMs: 1.5, responseBytes: 5, remoteAddress: "127.0.0.1", error: undefined },
    figures: {
      ...{ wallMs: 1.25, cpuMs: 0.5, memoryBytes: 1024, responseBytes: 5, logBytes: 7, subrequests: 2 },
      cold: true,
    },
    ...over,
  };
}

/** A store and its folder, which go with the test. */
export class LogRig implements AsyncDisposable {
  readonly directory: string;
  readonly clock = new FakeClock();
  /** What the store reported to the server's log. */
  readonly reports: string[] = [];
  readonly #options: Partial<LogStoreOptions>;
  store: WritableLogStore;

  /** With a `directory`, in that of another rig, which removes it. */
  constructor(options: Partial<LogStoreOptions> = {}) {
    this.#options = options;
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "isopod-logs-"));
    this.store = this.#open();
  }

  /** Opens the store anew, as a server does that starts again. */
  async restart(): Promise<void> {
    await this.store.close();
    this.store = this.#open();
  }

  lines(name: string, ...texts: string[]): void {
    for (const text of texts) this.store.line(sourceOf(name), { level: "info", text });
  }

  query(query: Partial<LogQuery> = {}): Promise<LogPage> {
    return this.store.query({ order: "oldest", limit: 1000, ...query });
  }

  /** Every item that a query gives, page by page. */
  async all(query: Partial<LogQuery> = {}): Promise<LogItem[]> {
    const found: LogItem[] = [];
    for (let cursor = query.cursor; ; ) {
      const page = await this.query({ ...query, cursor });
      found.push(...page.items);
      if (page.next === undefined) return found;
      cursor = page.next;
    }
  }

  files(): string[] {
    return readdirSync(this.directory).sort();
  }

  /** Bytes of all files. */
  bytes(): number {
    return this.files().reduce((sum, name) => sum + statSync(join(this.directory, name)).size, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    if (this.#options.directory === undefined) rmSync(this.directory, { recursive: true, force: true });
  }

  #open(): WritableLogStore {
    return openLogStore({
      ...{ directory: this.directory, clock: this.clock, bytesMax: 64 * 1024 * 1024, ageMs: 24 * HOUR_MS },
      report: (line) => this.reports.push(line.text),
      ...this.#options,
    });
  }
}

/** The texts of items; `-N` for a gap of N. */
export function textsOf(items: readonly LogItem[]): string[] {
  return items.map((item) => (item.kind === "missing" ? `-${item.missing}` : item.text));
}

/** How many records `items` tell of, those that are missing included; each must follow the one before it. */
export function countDense(items: readonly LogItem[], afterId = 0): number {
  let last = afterId;
  for (const item of items) {
    const count = item.kind === "missing" ? item.missing : 1;
    if (item.id !== last + count) throw new Error(`Item ${item.id} of ${count} does not follow ${last}`);
    last = item.id;
  }
  return last - afterId;
}
