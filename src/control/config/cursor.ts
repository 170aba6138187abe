/** Walks over the smallest parts of a TOML text: keys, strings, blanks. As lenient as `scan.ts`, its one user. */

/** A part of a key, unquoted, and where it stands. */
export interface TomlKey {
  readonly name: string;
  readonly offset: number;
}

/** A place in a text that moves on. */
export class TomlCursor {
  at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The parts of a dotted key; stops at what belongs to none. */
  keys(): TomlKey[] {
    const keys: TomlKey[] = [];
    while (this.at < this.#text.length) {
      this.skipBlank(false);
      const offset = this.at;
      const first = this.#text[offset];
      if (first === '"' || first === "'") {
        this.string(first);
        keys.push({ name: unquote(this.#text.slice(offset, this.at)), offset });
      } else {
        while (/[A-Za-z0-9_-]/.test(this.#text[this.at] ?? "")) this.at++;
        if (this.at === offset) return keys;
        keys.push({ name: this.#text.slice(offset, this.at), offset });
      }
      this.skipBlank(false);
      if (this.#text[this.at] !== ".") return keys;
      this.at++;
    }
    return keys;
  }

  /** Passes a string of any of the four forms; one on a single line ends with its line at the latest. */
  string(quote: '"' | "'"): void {
    const text = this.#text;
    const long = text.startsWith(quote.repeat(3), this.at);
    const end = long ? quote.repeat(3) : quote;
    this.at += end.length;
    while (this.at < text.length) {
      if (text.startsWith(end, this.at)) {
        this.at += end.length;
        // One or two quotes may stand right before the closing three.
        while (long && text[this.at] === quote) this.at++;
        return;
      }
      if (!long && text[this.at] === "\n") return;
      this.at += quote === '"' && text[this.at] === "\\" && text[this.at + 1] !== "\n" ? 2 : 1;
    }
    this.at = text.length;
  }

  /** Passes a value without quotes or brackets. */
  bare(): void {
    while (this.at < this.#text.length && !/[\s,\]}#]/.test(this.#text[this.at] ?? "")) this.at++;
  }

  /** Skips spaces and, with `lines`, line ends and comments. */
  skipBlank(lines: boolean): void {
    for (;;) {
      const next = this.#text[this.at];
      if (next === " " || next === "\t" || (lines && (next === "\n" || next === "\r" || next === "\ufeff"))) this.at++;
      else if (lines && next === "#") this.skipLine();
      else return;
    }
  }

  /** Skips the rest of the line. */
  skipLine(): void {
    const end = this.#text.indexOf("\n", this.at);
    this.at = end < 0 ? this.#text.length : end + 1;
  }
}

/** The name that a quoted key stands for. */
function unquote(text: string): string {
  const inner = text.slice(1, -1);
  if (text.startsWith("'") || !inner.includes("\\")) return inner;
  try {
    const [name] = Object.values(Bun.TOML.parse(`key = "${inner}"`));
    return typeof name === "string" ? name : inner;
  } catch {
    return inner;
  }
}
