/**
 * The process of one database: reads calls from standard input and answers each on standard output, one at a time.
 *
 * It does nothing else and holds no event loop: a plain `read` waits for the next call, so that an answer takes two
 * system calls. The end of the input is its end.
 */
import { readSync, writeSync } from "node:fs";
import { FrameReader, frame } from "../frames.ts";
import type { SqlLimits } from "../limits.ts";
import { ANSWER, CALL_HEAD_BYTES_MAX, splitCall } from "../messages.ts";
import { confine } from "./confinement.ts";
import { Database } from "./database.ts";
import { refusalFor } from "./failures.ts";

const CHUNK_BYTES = 64 * 1024;
const encoder = new TextEncoder();

interface Start {
  readonly path: string;
  readonly limits: SqlLimits;
  readonly parent: number;
}

function main(): void {
  const { path, limits, parent } = JSON.parse(process.argv.at(-1) as string) as Start;
  confine(parent);
  let database: Database;
  try {
    database = new Database(path, limits);
  } catch (error) {
    return answer(ANSWER.failed, String((error as Error).message));
  }
  answer(ANSWER.done, "");
  const reader = new FrameReader(limits.requestBytesMax + CALL_HEAD_BYTES_MAX);
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const length = readSync(0, chunk);
    if (length === 0) break;
    for (const message of reader.push(chunk.subarray(0, length))) serve(database, limits, message);
  }
  database.close();
}

function serve(database: Database, limits: SqlLimits, message: Uint8Array): void {
  const { head, text } = splitCall(message);
  let done: string;
  try {
    done = database.call(head, text);
  } catch (error) {
    const refusal = refusalFor(error, limits);
    if (refusal === undefined) return answer(ANSWER.failed, String((error as Error).message));
    const { code, message: said, limit } = refusal;
    return answer(ANSWER.refused, JSON.stringify({ code, message: said, limit }));
  }
  answer(ANSWER.done, done);
}

function answer(kind: number, text: string): void {
  const bytes = frame([Uint8Array.of(kind), encoder.encode(text)]);
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

main();
