/**
 * JSON from callers, parsed on the event loop that everybody shares: what would take long is refused unread.
 *
 * Text is cheap to parse, structure is not: 20 MB of `[],[],` stop a server for seconds. So the values are counted
 * before they are made, in one pass that makes nothing.
 */
import { IsopodError } from "./errors.ts";

/** Values that one text may hold; about 10 ms of parsing. */
export const JSON_VALUES_MAX = 50_000;

/** Shorter texts are parsed without being counted. */
const UNCOUNTED_LENGTH = 64 * 1024;

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const OPEN_LIST = 91;
const OPEN_OBJECT = 123;

/**
 * The value of a JSON text.
 * @param what names the text in errors
 * @throws {IsopodError} `bad_request` when it is no JSON, or holds more values than `JSON_VALUES_MAX`
 */
export function parseBoundedJson(text: string, what: string): unknown {
  if (text.length > UNCOUNTED_LENGTH && hasMoreValues(text, JSON_VALUES_MAX)) {
    throw new IsopodError("bad_request", {
      message: `Cannot read ${what}: it holds more than ${JSON_VALUES_MAX} values.`,
    });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new IsopodError("bad_request", { message: `Cannot read ${what}: it is not JSON (${why.slice(0, 200)}).` });
  }
}

/** Whether more than `max` values begin in `text`: one at each comma, and one in each list or object. */
function hasMoreValues(text: string, max: number): boolean {
  let values = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (inString) {
      if (code === BACKSLASH) at += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) {
      inString = true;
    } else if (code === COMMA || code === OPEN_LIST || code === OPEN_OBJECT) {
      values += 1;
      if (values > max) return true;
    }
  }
  return false;
}
