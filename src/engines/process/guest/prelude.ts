/**
 * Reads what a streamed answer begins with when its type is `application/vnd.awslambda.http-integration-response`: a JSON
 * object with status, headers and cookies, then eight zero bytes, then the body.
 */
import { answerHead, EventError, type HttpResult } from "./events/http_event.ts";

/** The type of answers that begin with a prelude. */
const PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response";

/** Whether a type, whatever its parameters, is that of answers that begin with a prelude. */
export function isPrelude(contentType: string | undefined): boolean {
  return contentType?.split(";", 1)[0]?.trim().toLowerCase() === PRELUDE_TYPE;
}

const DELIMITER = Buffer.alloc(8);
const PRELUDE_BYTES_MAX = 64 * 1024;

/** Collects a prelude. */
export class PreludeReader {
  #held = Buffer.alloc(0);

  /** Takes bytes; gives the head and the first of the body once it is complete. @throws {EventError} */
  push(
    bytes: Uint8Array,
  ): { readonly head: Pick<HttpResult, "status" | "headers">; readonly rest: Uint8Array } | undefined {
    this.#held = Buffer.concat([this.#held, bytes]);
    const end = this.#held.indexOf(DELIMITER);
    if (end < 0) {
      if (this.#held.length > PRELUDE_BYTES_MAX) throw new EventError("Cannot read the answer: its prelude has no end");
      return undefined;
    }
    let value: unknown;
    try {
      value = JSON.parse(this.#held.toString("utf8", 0, end));
    } catch {
      throw new EventError("Cannot read the answer: its prelude is not JSON");
    }
    if (typeof value !== "object" || value === null)
      throw new EventError("Cannot read the answer: its prelude is no object");
    return { head: answerHead(value as Record<string, unknown>), rest: this.#held.subarray(end + DELIMITER.length) };
  }
}
