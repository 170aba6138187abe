/** Lines of the log as they go over the wire. */
import type { Level } from "./console.ts";

/** First character of a log frame. */
export const LEVEL_MARK: Readonly<Record<Level, string>> = { debug: "d", info: "i", warn: "w", error: "e" };

/** A line that is longer is cut, and says by how much. */
const LINE_LENGTH_MAX = 40_000;

/** `text`, cut when it is too long. */
export function boundedLine(text: string): string {
  const missing = text.length - LINE_LENGTH_MAX;
  return missing <= 0 ? text : `${text.slice(0, LINE_LENGTH_MAX)} … ${missing} more characters`;
}
