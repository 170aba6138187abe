/**
 * Finds the lines of a chunk that a filter may mean by their bytes, and only then parses them.
 *
 * A condition on a text is a needle: bytes that every line holds which fulfils it. The search for the rarest one goes
 * at memory speed; what it finds is parsed and checked. Nothing in a program's text can look like a member of
 * the record, because JSON escapes its quotes.
 */
import { type LogFilter, type LogItem, RECORD_LEVELS } from "../core/log_store.ts";
import { decodeItem, isGap } from "./log_encoding.ts";

const LINE_FEED = 10;
const GAP_NEEDLE = Buffer.from('"kind":"missing"');

/** A filter, made ready. */
export class LineFilter {
  readonly #filter: LogFilter;
  readonly #levels: ReadonlySet<string>;
  /** Lines that hold none of these are not meant; undefined when all may be. */
  readonly #needles: readonly Buffer[] | undefined;

  constructor(filter: LogFilter) {
    this.#filter = filter;
    const levels = RECORD_LEVELS.slice(filter.level === undefined ? 0 : RECORD_LEVELS.indexOf(filter.level));
    this.#levels = new Set(levels);
    const rarest = rarestNeedles(filter, levels);
    this.#needles = rarest && [...rarest.map((text) => Buffer.from(text)), GAP_NEEDLE];
  }

  /** The bounds of each line in `chunk` that may be meant, in their order: starts at even places, ends at odd ones. */
  candidates(chunk: Buffer): number[] {
    const found: number[] = [];
    const next = this.#needles?.map(() => -1);
    for (let start = 0; start < chunk.length; ) {
      const hit = next === undefined ? start : this.#nextHit(chunk, start, next);
      if (hit === Number.POSITIVE_INFINITY) break;
      const lineStart = next === undefined ? start : chunk.lastIndexOf(LINE_FEED, hit) + 1;
      const lineEnd = chunk.indexOf(LINE_FEED, hit);
      const end = lineEnd < 0 ? chunk.length : lineEnd;
      found.push(lineStart, end);
      start = end + 1;
    }
    return found;
  }

  /** The item of a line when it is meant. */
  read(chunk: Buffer, start: number, end: number): LogItem | undefined {
    const item = decodeItem(chunk.toString("utf8", start, end));
    return item !== undefined && this.#means(item) ? item : undefined;
  }

  /** Where the next needle stands from `start` on; `next` remembers for each where it was found last. */
  #nextHit(chunk: Buffer, start: number, next: number[]): number {
    let nearest = Number.POSITIVE_INFINITY;
    for (const [index, needle] of (this.#needles ?? []).entries()) {
      let at = next[index] ?? -1;
      if (at < start) {
        const found = chunk.indexOf(needle, start);
        at = found < 0 ? Number.POSITIVE_INFINITY : found;
        next[index] = at;
      }
      nearest = Math.min(nearest, at);
    }
    return nearest;
  }

  #means(item: LogItem): boolean {
    const { project, version, requestId, fromMs, toMs, text } = this.#filter;
    const name = this.#filter.function;
    const { time_ms: timeMs } = item;
    if (timeMs !== undefined && (timeMs < (fromMs ?? timeMs) || timeMs > (toMs ?? timeMs))) return false;
    if (isGap(item)) {
      // A gap of nobody in particular may be anybody's.
      const others = (asked: string | undefined, its: string | undefined) =>
        asked !== undefined && its !== undefined && asked !== its;
      return !others(project, item.project) && !others(name, item.function) && !others(version, item.version);
    }
    if (project !== undefined && item.project !== project) return false;
    if (name !== undefined && item.function !== name) return false;
    if (version !== undefined && item.version !== version) return false;
    if (requestId !== undefined && item.request_id !== requestId) return false;
    return this.#levels.has(item.level) && (text === undefined || item.text.includes(text));
  }
}

/** Texts of which every meant line holds one, by the condition that is likely to be the rarest. */
function rarestNeedles(filter: LogFilter, levels: readonly string[]): readonly string[] | undefined {
  const { requestId, version, project, text } = filter;
  if (requestId !== undefined) return [member("request_id", requestId)];
  if (text !== undefined && text !== "") return [JSON.stringify(text.toWellFormed()).slice(1, -1)];
  if (levels.length <= 2) return levels.map((level) => member("level", level));
  if (version !== undefined) return [member("version", version)];
  if (filter.function !== undefined) return [member("function", filter.function)];
  return project === undefined ? undefined : [member("project", project)];
}

function member(name: string, value: string): string {
  return `"${name}":${JSON.stringify(value)}`;
}
