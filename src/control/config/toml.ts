/**
 * Reads TOML into values and remembers where each key stands.
 *
 * `Bun.TOML.parse` decides what is TOML and what the values are, but says nothing about lines: those come from
 * `scan.ts`.
 */
import type { TextPosition } from "./error.ts";
import { DEPTH_MAX, type KeyPath, pathId, scanToml } from "./scan.ts";

const LINES_TRIED_MAX = 200;

/** A text that is not TOML. */
export interface TomlMistake {
  readonly message: string;
  readonly position: TextPosition;
}

/** A parsed text. */
export interface TomlText {
  readonly value: Record<string, unknown>;
  /** Where `path` stands, or the nearest part of it from the top that does. */
  locate(path: KeyPath): TextPosition;
}

/** Parses `text`; a mistake is returned, not thrown. */
export function readToml(text: string): TomlText | TomlMistake {
  const scan = scanToml(text);
  const lineStarts = lineStartsOf(text);
  if (scan.tooDeepAt !== undefined) {
    const message = `more than ${DEPTH_MAX} levels of tables and lists`;
    return { message, position: positionAt(lineStarts, scan.tooDeepAt) };
  }
  const parsed = tryParse(text);
  if (typeof parsed === "string") {
    return { message: parsed, position: positionAt(lineStarts, findMistake(text, scan.statements, parsed)) };
  }
  if (scan.reservedAt !== undefined) {
    return { message: '"__proto__" cannot be a key', position: positionAt(lineStarts, scan.reservedAt) };
  }
  const locate = (path: KeyPath): TextPosition => {
    for (let length = path.length; length > 0; length--) {
      const offset = scan.offsets.get(pathId(path.slice(0, length)));
      if (offset !== undefined) return positionAt(lineStarts, offset);
    }
    return { line: 1, column: 1 };
  };
  return { value: parsed, locate };
}

function tryParse(text: string): Record<string, unknown> | string {
  try {
    return Bun.TOML.parse(text) as Record<string, unknown>;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^TOML Parse error: /, "") : String(error);
  }
}

/**
 * Offset of the line that makes `text` fail with `message`. The parser does not say, but what stands before its first
 * mistake parses: the statement is found by halving, the line in it as the first that brings the same message about.
 */
function findMistake(text: string, statements: readonly number[], message: string): number {
  const ends = [...statements.slice(1), text.length];
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (typeof tryParse(text.slice(0, ends[middle])) === "string") high = middle;
    else low = middle + 1;
  }
  const start = statements[low] ?? 0;
  const end = ends[low] ?? text.length;
  const line = findLine(text, start, end, message) ?? start;
  return line + (/^[ \t]*/.exec(text.slice(line, line + 200))?.[0].length ?? 0);
}

/** The line of a statement with which its mistake is there; undefined when the statement is very long. */
function findLine(text: string, start: number, end: number, message: string): number | undefined {
  let line = start;
  for (let tries = 0; tries < LINES_TRIED_MAX; tries++) {
    const lineEnd = text.indexOf("\n", line) + 1;
    if (lineEnd === 0 || lineEnd >= end || tryParse(text.slice(0, lineEnd)) === message) return line;
    line = lineEnd;
  }
  return undefined;
}

/** Where each line of `text` begins. */
function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) starts.push(end + 1);
  return starts;
}

function positionAt(lineStarts: readonly number[], offset: number): TextPosition {
  let low = 0;
  let high = lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
}
