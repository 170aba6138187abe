/** What a file of the log store holds that an earlier run or another server wrote: read from its two ends. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { LogItem } from "../core/log_store.ts";
import { decodeItem, LINE_BYTES_MAX } from "./log_encoding.ts";

/** What is known of a file afterwards. */
export interface Recovered {
  /** Up to the end of its last line. */
  readonly bytes: number;
  /** Bytes behind it: what a server that was killed wrote half. */
  readonly brokenBytes: number;
  /** Undefined when it holds no record. */
  readonly first: LogItem | undefined;
  readonly last: LogItem | undefined;
}

const WINDOW_BYTES = 2 * LINE_BYTES_MAX;
const LINE_FEED = 10;

/** Reads the ends of what stands in a file from `from` on, where a line begins. */
export function recoverFile(path: string, from: number): Recovered {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const { end: bytes, item: last } = lastItem(fd, from, size);
    const head = readAt(fd, from, Math.min(bytes, from + WINDOW_BYTES));
    const brokenBytes = size - bytes;
    return { bytes, brokenBytes, first: decodeItem(head.toString("utf8", 0, head.indexOf(LINE_FEED) + 1)), last };
  } finally {
    closeSync(fd);
  }
}

/** The last record after `from`, and where it ends; `from` when there is none. */
function lastItem(
  fd: number,
  from: number,
  size: number,
): { readonly end: number; readonly item: LogItem | undefined } {
  for (let windowEnd = size; windowEnd > from; ) {
    const start = Math.max(from, windowEnd - WINDOW_BYTES);
    let window = readAt(fd, start, windowEnd);
    for (window = wholeLines(window); window.length > 0; window = wholeLines(window.subarray(0, -1))) {
      const item = decodeItem(window.toString("utf8", window.subarray(0, -1).lastIndexOf(LINE_FEED) + 1));
      if (item !== undefined) return { end: start + window.length, item };
    }
    // A line may begin before this window: the next one overlaps it by as much as a line has.
    windowEnd = start === from ? from : start + LINE_BYTES_MAX;
  }
  return { end: from, item: undefined };
}

function wholeLines(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.lastIndexOf(LINE_FEED) + 1);
}

function readAt(fd: number, start: number, end: number): Buffer {
  const buffer = Buffer.alloc(end - start);
  return buffer.subarray(0, buffer.length === 0 ? 0 : readSync(fd, buffer, 0, buffer.length, start));
}
