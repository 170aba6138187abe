/**
 * Where a function that was sent stands in the caller's files, as far as anybody can know.
 *
 * Known for sure: the function's text, and the place of the call. The file of the call is read where a platform can
 * read it, and when the text stands there once, every position is exact. Else (a page, a file that was transpiled
 * before it ran) positions are given within the function, beside the place of the call: a guess would mislead.
 */
import type { TranslateStack } from "./run_error.ts";
import { FUNCTION_LINE } from "./sent_function.ts";

/** Where a function begins; line and column count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

const FILE_LENGTH_MAX = 4 * 1024 * 1024;
/** What the server calls a program in its stacks. */
const FRAME = /\bprogram\.[jt]s:(\d{1,9}):(\d{1,9})/g;

/** `src/app.ts:10:25` as a place; undefined for anything else. */
export function parsePlace(text: string): Place | undefined {
  const [, file, line, column] = /^(.+):(\d{1,9}):(\d{1,9})$/s.exec(text) ?? [];
  return file === undefined ? undefined : { file, line: Number(line), column: Number(column) };
}

/** Translates positions of a function that begins at `place`. */
export function translateTo(place: Place): TranslateStack {
  return translateFrames((line, column) => {
    const inFile = line === 1 ? place.column - 1 + column : column;
    return `${place.file}:${place.line + line - 1}:${inFile}`;
  });
}

/** Translates positions of a function with this source that was sent by the call that `called` was made in. */
export function translateFrom(source: string, called: Error): TranslateStack {
  return (stack) => {
    const call = placeOfCall(called);
    const place = call && findIn(call.file, source);
    if (place !== undefined) return translateTo(place)(stack);
    const sent = call === undefined ? "" : `, sent from ${call.file}:${call.line}:${call.column}`;
    return translateFrames((line, column) => `line ${line}, column ${column} of the function${sent}`)(stack);
  };
}

/** Leaves only frames of the function, without the line around it. */
function translateFrames(translate: (line: number, column: number) => string): TranslateStack {
  return (stack) => {
    const frames: string[] = [];
    for (const text of stack.split("\n")) {
      let own = false;
      const frame = text.replace(FRAME, (_, line: string, column: string) => {
        const inFunction = Number(line) - FUNCTION_LINE + 1;
        own = inFunction > 0;
        return translate(inFunction, Number(column));
      });
      if (own) frames.push(frame);
    }
    return frames.join("\n");
  };
}

/** The first place in a stack that was captured in the caller's frame. */
function placeOfCall(called: Error): Place | undefined {
  for (const line of (called.stack ?? "").split("\n")) {
    const place = parsePlace(/(?:^|[\s(@])([^\s(@]+:\d+:\d+)\)?$/.exec(line)?.[1] ?? "");
    if (place !== undefined) return place.file.startsWith("file:") ? { ...place, file: pathOf(place.file) } : place;
  }
  return undefined;
}

function pathOf(url: string): string {
  return URL.canParse(url) ? decodeURIComponent(new URL(url).pathname) : url;
}

interface Files {
  statSync(path: string): { readonly size: number };
  readFileSync(path: string, encoding: "utf8"): string;
}

/** Where `source` stands in `file`; undefined when it cannot be read, has it not, or has it more than once. */
function findIn(file: string, source: string): Place | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  try {
    const files = process?.getBuiltinModule?.("node:fs") as Files | undefined;
    if (files === undefined || files.statSync(file).size > FILE_LENGTH_MAX) return undefined;
    const text = files.readFileSync(file, "utf8");
    const at = text.indexOf(source);
    if (at < 0 || text.indexOf(source, at + 1) >= 0) return undefined;
    const before = text.slice(0, at).split("\n");
    return { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  } catch {
    return undefined;
  }
}
