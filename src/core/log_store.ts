/**
 * The log store port: what programs wrote and what became of invocations, kept within bounds, asked for and followed.
 *
 * Exactly these guarantees:
 * - Every record has an `id` that grows by one a record, over restarts too, and over all servers that share the store. A
 *   query sees everything that was written before it was asked; of another server, what is older than about a second.
 *   That also survives the end of the process, however it ends.
 * - Nothing is missing silently. Where records were refused because the writer could not keep up, or have left because
 *   of the store's size or age, a `LogGap` stands in their place and says how many there were.
 * - A follower reads at its own pace and costs no memory while it is slow; what leaves the store meanwhile is a gap.
 *
 * Names are those of the API: records are handed on as they are.
 */

import type { StruckLimit } from "./errors.ts";
import type { LogLine } from "./invocation.ts";

/** The levels of records, the most talkative first. */
export const RECORD_LEVELS = ["debug", "info", "warn", "error"] as const satisfies readonly LogLine["level"][];

/** What a record is about: a line of a program, why an invocation failed, a limit that struck, an invocation's end. */
export type LogKind = "line" | "error" | "limit" | "invocation";

/** Whose a record is; what is not known, or does not apply, is left out. */
export interface LogOrigin {
  readonly project?: string | undefined;
  readonly function?: string | undefined;
  readonly version?: string | undefined;
  /** Hash of a program that came with its request. */
  readonly program?: string | undefined;
}

/** What is known of an invocation that is over. */
export interface LogOutcome {
  /** Of the request that made this one, when it was a call from inside the server. */
  readonly parent_request_id?: string | undefined;
  readonly code?: string | undefined;
  readonly limit?: StruckLimit | undefined;
  readonly method?: string;
  readonly path?: string;
  readonly status?: number;
  /** From the request's head to the last byte of its answer. */
  readonly duration_ms?: number;
  readonly wall_ms?: number | undefined;
  readonly cpu_ms?: number | undefined;
  readonly memory_bytes?: number | undefined;
  readonly response_bytes?: number | undefined;
  readonly log_bytes?: number | undefined;
  readonly egress_calls?: number | undefined;
  /** Whether it waited for an instance: a program for one that was not prewarmed, a function for one that had to load it. */
  readonly cold?: boolean | undefined;
}

/** A record. */
export interface LogRecord extends LogOrigin, LogOutcome {
  readonly id: number;
  /** Milliseconds since the Unix epoch. */
  readonly time_ms: number;
  readonly kind: LogKind;
  readonly level: LogLine["level"];
  readonly request_id?: string | undefined;
  readonly text: string;
  /** Characters that are missing at the end of `text`, which is bounded. */
  readonly cut?: number | undefined;
}

/** Stands for records that are not there. */
export interface LogGap extends LogOrigin {
  /** Of the last one that is missing. */
  readonly id: number;
  readonly kind: "missing";
  readonly missing: number;
  /** The writer could not keep up; they were too many or too old to be kept; they cannot be read. */
  readonly reason: "overload" | "retention" | "damage";
  /** When they were refused; left out where nobody knows any more. */
  readonly time_ms?: number | undefined;
}

/** What a query or a follower is given. */
export type LogItem = LogRecord | LogGap;

/** Which records are meant: all conditions hold. Gaps are given whatever `level`, `requestId` and `text` say. */
export interface LogFilter {
  readonly project?: string | undefined;
  readonly function?: string | undefined;
  readonly version?: string | undefined;
  readonly requestId?: string | undefined;
  /** The least level. */
  readonly level?: LogLine["level"] | undefined;
  /** Milliseconds since the Unix epoch, both included. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** What `text` contains, in the same case. */
  readonly text?: string | undefined;
}

/** A question. */
export interface LogQuery extends LogFilter {
  readonly order: "newest" | "oldest";
  /** The most items of a page. */
  readonly limit: number;
  /** The `id` to go on from, not included: towards older ones in the order `newest`, else towards newer ones. */
  readonly cursor?: number | undefined;
}

/** An answer. */
export interface LogPage {
  readonly items: readonly LogItem[];
  /** The cursor of the next page; undefined when there is nothing more now. */
  readonly next: number | undefined;
  /** The sum of all gaps among the items. */
  readonly missing: number;
  /** The id of the newest record when the question was asked, to follow from; 0 when there never was one. */
  readonly newestId: number;
}

/** The reading side of the store. */
export interface LogStore {
  /** @throws {IsopodError} `overloaded` when too many ask at once; the signal's reason when it fires */
  query(query: LogQuery, signal?: AbortSignal): Promise<LogPage>;
  /**
   * Everything after `cursor` (when left out: from now on) and then what comes, until the signal fires or the store
   * closes; the iteration then just ends.
   * @throws {IsopodError} `overloaded` when there are too many followers
   */
  follow(query: LogFilter & Pick<LogQuery, "cursor">, signal: AbortSignal): AsyncIterable<LogItem>;
  /** Writes what is pending and ends followers. */
  close(): Promise<void>;
}
