/** The fields of heads and trailers, and what is told of those that are none. */

/** What is no request that is taken; `status` is the answer. */
export class HttpError extends Error {
  override name = "HttpError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Fields that a connection's reader remembers, and the longest that it does. */
const KNOWN_MAX = 8;
const KNOWN_LENGTH_MAX = 2048;

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Reads the fields of one connection's heads: a program sends the same ones again and again. */
export class FieldReader {
  /** What fields came down to, by their text. */
  readonly #known = new Map<string, ReadonlyMap<string, string>>();

  /** @throws {HttpError} */
  read(text: string): ReadonlyMap<string, string> {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const fields = readFields(text.split("\r\n"));
    if (this.#known.size < KNOWN_MAX && text.length < KNOWN_LENGTH_MAX) this.#known.set(text, fields);
    return fields;
  }
}

/** @throws {HttpError} */
export function readFields(lines: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const at = line.indexOf(":");
    const name = line.slice(0, at);
    if (at < 1 || !TOKEN.test(name)) throw new HttpError(400, "a header is none");
    fields.set(name.toLowerCase(), line.slice(at + 1).trim());
  }
  return fields;
}
