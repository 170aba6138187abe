/**
 * Whether bytes are JSON (RFC 8259), without making its values: a payload is up to 6 MiB, from anybody who may call, and
 * parsing that much structure would hold up the event loop that all share.
 *
 * Long texts are looked at a piece at a time, with a turn for everybody else between them.
 */

const PIECE_BYTES = 512 * 1024;
const DEPTH_MAX = 10_000;

const SPACE = tableOf(" \t\n\r");
const DIGIT = tableOf("0123456789");
const HEX = tableOf("0123456789abcdefABCDEF");
const ESCAPED = tableOf('"\\/bfnrt');
const NUMBER_END = tableOf(" \t\n\r,]}");
const [QUOTE, BACKSLASH, MINUS, PLUS, DOT, ZERO, COMMA, COLON] = [...'"\\-+.0,:'].map((each) => each.charCodeAt(0));
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT, LOW_U] = [..."[]{}u"].map((each) => each.charCodeAt(0));
const WORDS = ["true", "false", "null"].map((word) => new TextEncoder().encode(word));

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const each of characters) table[each.charCodeAt(0)] = 1;
  return table;
}

/** What may come next. */
type Expected = "value" | "value or end" | "key" | "key or end" | "comma or end" | "nothing";

/** Whether `bytes` are one JSON text, nested at most 10,000 deep. */
export async function isJson(bytes: Uint8Array): Promise<boolean> {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return false;
  }
  const scanner = new Scanner(bytes);
  for (let until = PIECE_BYTES; ; until += PIECE_BYTES) {
    const verdict = scanner.scan(until);
    if (verdict !== undefined) return verdict;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class Scanner {
  readonly #bytes: Uint8Array;
  /** For each open list or object, what closes it. */
  readonly #open: number[] = [];
  #at = 0;
  #expected: Expected = "value";

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Goes on to where `until` is passed: false for what is no JSON, true at the end of what is. */
  scan(until: number): boolean | undefined {
    while (this.#at < until) {
      while (SPACE[this.#bytes[this.#at] ?? 0]) this.#at += 1;
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return this.#expected === "nothing";
      if (!this.#step(byte)) return false;
    }
    return undefined;
  }

  #step(byte: number): boolean {
    switch (this.#expected) {
      case "nothing":
        return false;
      case "comma or end":
        if (byte === COMMA) return this.#pass(this.#open.at(-1) === CLOSE_LIST ? "value" : "key");
        return this.#close(byte);
      case "key or end":
        return byte === CLOSE_OBJECT ? this.#close(byte) : this.#key(byte);
      case "key":
        return this.#key(byte);
      case "value or end":
        return byte === CLOSE_LIST ? this.#close(byte) : this.#value(byte);
      default:
        return this.#value(byte);
    }
  }

  #pass(next: Expected): boolean {
    this.#at += 1;
    this.#expected = next;
    return true;
  }

  #close(byte: number): boolean {
    if (this.#open.pop() !== byte) return false;
    return this.#pass(this.#open.length === 0 ? "nothing" : "comma or end");
  }

  #key(byte: number): boolean {
    if (byte !== QUOTE || !this.#string()) return false;
    while (SPACE[this.#bytes[this.#at] ?? 0]) this.#at += 1;
    return this.#bytes[this.#at] === COLON && this.#pass("value");
  }

  #value(byte: number): boolean {
    if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      if (this.#open.length >= DEPTH_MAX) return false;
      this.#open.push((byte === OPEN_LIST ? CLOSE_LIST : CLOSE_OBJECT) as number);
      return this.#pass(byte === OPEN_LIST ? "value or end" : "key or end");
    }
    const isRight = byte === QUOTE ? this.#string() : byte === MINUS || DIGIT[byte] ? this.#number() : this.#word();
    this.#expected = this.#open.length === 0 ? "nothing" : "comma or end";
    return isRight;
  }

  #string(): boolean {
    for (this.#at += 1; ; this.#at += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x20) return false;
      if (byte === QUOTE) {
        this.#at += 1;
        return true;
      }
      if (byte !== BACKSLASH) continue;
      this.#at += 1;
      const escaped = this.#bytes[this.#at] ?? 0;
      if (escaped === LOW_U) {
        for (let digit = 0; digit < 4; digit += 1) {
          this.#at += 1;
          if (!HEX[this.#bytes[this.#at] ?? 0]) return false;
        }
      } else if (!ESCAPED[escaped]) return false;
    }
  }

  #number(): boolean {
    if (this.#bytes[this.#at] === MINUS) this.#at += 1;
    if (this.#bytes[this.#at] === ZERO) this.#at += 1;
    else if (!this.#digits()) return false;
    if (this.#bytes[this.#at] === DOT) {
      this.#at += 1;
      if (!this.#digits()) return false;
    }
    // "e" and "E" differ in one bit.
    if (((this.#bytes[this.#at] ?? 0) | 0x20) === 0x65) {
      this.#at += 1;
      const sign = this.#bytes[this.#at];
      if (sign === PLUS || sign === MINUS) this.#at += 1;
      if (!this.#digits()) return false;
    }
    const next = this.#bytes[this.#at];
    return next === undefined || NUMBER_END[next] === 1;
  }

  #digits(): boolean {
    const start = this.#at;
    while (DIGIT[this.#bytes[this.#at] ?? 0]) this.#at += 1;
    return this.#at > start;
  }

  #word(): boolean {
    const word = WORDS.find((each) => each.every((byte, index) => this.#bytes[this.#at + index] === byte));
    this.#at += word?.length ?? 0;
    return word !== undefined;
  }
}
