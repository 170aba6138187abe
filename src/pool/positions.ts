/**
 * Errors of bundled programs in terms of their sources: line, column and stack as their author knows them.
 *
 * A source map comes out of a sandbox that has read foreign code, so it is as hostile as a program: its size is
 * bounded, what cannot be read is treated as no map, and all reading together gets a share of the time and no more. A
 * position that cannot be translated is left out: one in the bundle would mislead.
 */
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { type ErrorDetails, IsopodError, type Position } from "../core/errors.ts";
import type { SourceProgram } from "../core/function.ts";

/** A place in a source. */
interface Place extends Position {
  readonly source: string;
}

type Translate = (position: Position) => Place | undefined;

/** Characters of a map that are read at the most; beyond it a program has no positions. */
const MAP_LENGTH_MAX = 4 * 1024 * 1024;
/** Characters of its mappings up to the line that is looked for; about 40 ms of reading. */
const MAPPINGS_LENGTH_MAX = 1024 * 1024;
/** Maps that are kept ready. */
const KEPT_MAX = 4;
/** Frames of a stack that are translated. */
const FRAMES_MAX = 32;
/** Reading maps may take this many milliseconds of each second; what comes after has no positions. */
const BUDGET_MS = 100;

/** Translates errors of programs; one a pool. */
export class Positions {
  readonly #now: () => number;
  readonly #kept = new Map<SourceProgram, Translate>();
  #secondBegan = 0;
  #spentMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * `error` in terms of `program`'s sources; itself when there is nothing to translate. Never throws.
   * @param named whether the message may say which source it is: to who sent the program, not to who calls a function
   */
  translate(error: IsopodError, program: SourceProgram, named: boolean): IsopodError {
    const { position, stack } = error.details;
    if (program.sourceMap === undefined || (position === undefined && stack === undefined)) return error;
    if (error.code !== "uncaught_exception" && error.code !== "invalid_result") return error;
    const translate = this.#open(program);
    const place = position && translate(position);
    const details: ErrorDetails = {
      ...error.details,
      message: named && place !== undefined ? `${error.message} (${format(place)})` : error.message,
      position: place && { line: place.line, column: place.column },
      stack: stack && translateStack(stack, program.name, translate),
    };
    return new IsopodError(error.code, details);
  }

  #open(program: SourceProgram): Translate {
    const kept = this.#kept.get(program);
    if (kept !== undefined) return kept;
    const startedAt = this.#now();
    if (startedAt - this.#secondBegan >= 1000) {
      this.#secondBegan = startedAt;
      this.#spentMs = 0;
    }
    if (this.#spentMs >= BUDGET_MS) return () => undefined;
    const translate = readMap(program.sourceMap ?? "");
    this.#spentMs += this.#now() - startedAt;
    this.#kept.set(program, translate);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_MAX) break;
      this.#kept.delete(oldest);
    }
    return translate;
  }
}

/** A translation by the map in `text`; one that knows nothing when it cannot be read. */
function readMap(text: string): Translate {
  try {
    if (text.length > MAP_LENGTH_MAX) return () => undefined;
    const { sources, mappings } = JSON.parse(text) as { sources?: unknown; mappings?: unknown };
    if (typeof mappings !== "string" || mappings.length > MAPPINGS_LENGTH_MAX || !isTexts(sources))
      return () => undefined;
    const map = new TraceMap({ version: 3, names: [], sources, mappings });
    // What is wrong with the mappings shows when they are first looked at.
    originalPositionFor(map, { line: 1, column: 0 });
    return (position) => find(map, sources, position);
  } catch {
    return () => undefined;
  }
}

function find(map: TraceMap, sources: readonly string[], { line, column }: Position): Place | undefined {
  const found = originalPositionFor(map, { line, column: column - 1 });
  // A map may hold numbers that no map should: sources that are not there, lines before the first.
  const source = sources[map.resolvedSources.indexOf(found.source ?? "")];
  if (source === undefined || !((found.line ?? 0) > 0 && (found.column ?? -1) >= 0)) return undefined;
  return {
    source: source.replace(/^host:/, "").slice(0, 500),
    line: found.line as number,
    column: (found.column as number) + 1,
  };
}

function translateStack(stack: string, name: string, translate: Translate): string {
  let frames = 0;
  const places = new RegExp(`${RegExp.escape(name)}:(\\d{1,9}):(\\d{1,9})`, "g");
  return stack.replace(places, (text, line: string, column: string) => {
    frames += 1;
    const place = frames <= FRAMES_MAX ? translate({ line: Number(line), column: Number(column) }) : undefined;
    return place === undefined ? text : format(place);
  });
}

function format({ source, line, column }: Place): string {
  return `${source}:${line}:${column}`;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}
