/** What queries and followers make of pieces of the files: items, and pages of them within bounds. */
import type { LogItem, LogPage, LogQuery } from "../core/log_store.ts";
import { idOfLine, isGap } from "./log_encoding.ts";
import type { LogFiles } from "./log_files.ts";
import type { LineFilter } from "./log_filter.ts";
import { ForwardReader, type Piece, readBackward, type Skip } from "./log_reader.ts";
import type { Segment } from "./log_segments.ts";

/** Text of a page, in characters; a page that has more is shorter than was asked for. */
const PAGE_LENGTH_MAX = 4 * 1024 * 1024;
/** What an item takes beside its text, about. */
const ITEM_LENGTH = 512;

/** A page while it is filled. */
export class GrowingPage {
  readonly #limit: number;
  readonly #order: LogQuery["order"];
  readonly #newestId: number;
  readonly #items: LogItem[] = [];
  #length = 0;
  #missing = 0;

  constructor({ limit, order }: LogQuery, newestId: number) {
    this.#limit = limit;
    this.#order = order;
    this.#newestId = newestId;
  }

  get full(): boolean {
    return this.#items.length >= this.#limit || this.#length >= PAGE_LENGTH_MAX;
  }

  add(item: LogItem): void {
    this.#items.push(item);
    if (isGap(item)) this.#missing += item.missing;
    else this.#length += item.text.length + ITEM_LENGTH;
  }

  done(): LogPage {
    const last = this.#items.at(-1);
    const end = last !== undefined && isGap(last) && last.reason === "retention" && this.#order === "newest";
    return {
      items: this.#items,
      next: this.full && !end ? last?.id : undefined,
      missing: this.#missing,
      newestId: this.#newestId,
    };
  }
}

/** The items of a piece that are meant and stand after `afterId`, in the order of the file. */
export function* itemsOf(piece: Piece, filter: LineFilter, afterId: number): Generator<LogItem> {
  if ("missing" in piece) {
    const { missing, lastId: id, reason } = piece;
    yield { id, kind: "missing", missing, reason };
    return;
  }
  const places = filter.candidates(piece.lines);
  for (let at = 0; at < places.length; at += 2) {
    const item = filter.read(piece.lines, places[at] ?? 0, places[at + 1] ?? 0);
    if (item !== undefined && item.id > afterId) yield item;
  }
}

/** The meant items up to `newestId`, the oldest first; undefined after each piece, for whoever wants to end. */
export async function* readOldest(
  files: LogFiles,
  query: LogQuery,
  filter: LineFilter,
  newestId: number,
): AsyncGenerator<LogItem | undefined> {
  const first = files.segments[0];
  const wholly = first === undefined || beginsBefore(first, query.fromMs);
  const after = query.cursor ?? (wholly ? (first?.base ?? 1) - 1 : 0);
  const reader = new ForwardReader(files, after + 1, skipOf(query));
  while (reader.nextId <= newestId) {
    const piece = await reader.next();
    if (piece === undefined) return;
    yield* itemsOf(piece, filter, after);
    yield undefined;
  }
}

/** The meant items before the cursor and up to `newestId`, the newest first, and how many have left before them. */
export async function* readNewest(
  files: LogFiles,
  query: LogQuery,
  filter: LineFilter,
  newestId: number,
): AsyncGenerator<LogItem | undefined> {
  const before = Math.min(query.cursor ?? newestId + 1, newestId + 1);
  let lowest = before;
  for await (const lines of readBackward(files, before, skipOf(query))) {
    // Files leave from the oldest on: with this one, all before it are gone.
    if (lines === undefined) return yield* leftBefore(lowest);
    const places = filter.candidates(lines);
    for (let at = places.length - 2; at >= 0; at -= 2) {
      const item = filter.read(lines, places[at] ?? 0, places[at + 1] ?? 0);
      if (item !== undefined && item.id < before) yield item;
    }
    lowest = Math.min(lowest, idOfLine(lines, 0) || lowest);
    yield undefined;
  }
  const first = files.segments[0];
  if (first !== undefined && !beginsBefore(first, query.fromMs)) yield* leftBefore(Math.min(first.base, before));
}

function* leftBefore(id: number): Generator<LogItem> {
  const missing = id - 1;
  if (missing > 0) yield { id: missing, kind: "missing", missing, reason: "retention" };
}

/** Whether nothing that left can be as new as `fromMs`. */
function beginsBefore(oldest: Segment, fromMs: number | undefined): boolean {
  return fromMs !== undefined && oldest.oldestMs <= fromMs;
}

/** Files are skipped by their times, which no correction of the machine's clock within a file spoils much. */
function skipOf({ fromMs, toMs }: LogQuery): Skip {
  return ({ oldestMs, newestMs }) =>
    newestMs < (fromMs ?? Number.NEGATIVE_INFINITY) || oldestMs > (toMs ?? Number.POSITIVE_INFINITY);
}
