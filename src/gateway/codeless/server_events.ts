/**
 * Encodes a run as `text/event-stream`: `log`, `output`, `result`, `error`, `end`.
 *
 * The data of every event is JSON. That of `output` is a string where the bytes are UTF-8, whatever way they were
 * cut, else `{"base64": "…"}`; the outputs of a run in their order are its bytes. Field by field as the HTML standard
 * has it, so no data can begin an event of its own.
 */

/** The events of a run. */
export type EventName = "log" | "output" | "result" | "error" | "end";

/** What the answer's Content-Type is. */
export const EVENT_STREAM_TYPE = "text/event-stream; charset=utf-8";

const encoder = new TextEncoder();

/** One event, whose data is `value` as JSON. */
export function encodeEvent(name: EventName, value: unknown): Uint8Array {
  return encoder.encode(eventText(name, JSON.stringify(value) ?? "null"));
}

/** One event with any text as its data; each line of it becomes a `data` field, as a reader puts it together again. */
export function eventText(name: string, data: string): string {
  if (/[\r\n]/.test(name)) throw new Error(`Cannot encode event ${JSON.stringify(name)}: its name has two lines`);
  return `event: ${name}\n${data
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join("")}\n`;
}

/** A comment, which readers skip: keeps a quiet connection open. */
export function encodeKeepAlive(): Uint8Array {
  return encoder.encode(": \n\n");
}

/** Turns the bytes of a run's output into events. Holds back three bytes at most, of a character that was cut. */
export class OutputEvents {
  #cut: Uint8Array = new Uint8Array();

  /** The event for `chunk`, or undefined when nothing of it is complete. */
  write(chunk: Uint8Array): Uint8Array | undefined {
    const bytes = this.#cut.length === 0 ? chunk : Buffer.concat([this.#cut, chunk]);
    const complete = bytes.length - cutLength(bytes);
    // A copy, so that three bytes do not hold a whole chunk.
    this.#cut = new Uint8Array(bytes.subarray(complete));
    return complete === 0 ? undefined : outputEvent(bytes.subarray(0, complete));
  }

  /** The event for what was held back, at the end of the output. */
  flush(): Uint8Array | undefined {
    const rest = this.#cut;
    this.#cut = new Uint8Array();
    return rest.length === 0 ? undefined : outputEvent(rest);
  }
}

function outputEvent(bytes: Uint8Array): Uint8Array {
  let value: unknown;
  try {
    value = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    value = { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") };
  }
  return encodeEvent("output", value);
}

/** How many bytes at the end begin a UTF-8 character without ending it. */
function cutLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 && byte <= 0xf4 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
    return byte <= 0xf4 && length > back ? back : 0;
  }
  return 0;
}
