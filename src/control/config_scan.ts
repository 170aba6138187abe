/**
 * Finds where the keys, tables and list items of a TOML text stand, and nothing else.
 *
 * It is lenient, always moves on, and never decides whether a text is right: `Bun.TOML.parse` does. Where the two
 * disagree, a position is off, never a value.
 */

/** Names of keys and indices in lists, from the top. */
export type KeyPath = readonly (string | number)[];

/** Deeper than anything that is meant to be read; bounds what remembering a path costs. */
export const DEPTH_MAX = 32;

/** What a scan found. */
export interface TomlScan {
  /** Where the keys, tables and items stand, by the id of their path. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Where each statement (a table's header, or a key with its value) begins. */
  readonly statements: readonly number[];
  /** Where the text is nested deeper than `DEPTH_MAX`; the scan ends there. */
  readonly tooDeepAt: number | undefined;
  /** Where a key is `__proto__`, which JavaScript may take for something else than a name. */
  readonly reservedAt: number | undefined;
}

/** Scans `text`; never throws. */
export function scanToml(text: string): TomlScan {
  return new Scanner(text).run();
}

/** The id of a path in `TomlScan.offsets`. */
export function pathId(path: KeyPath): string {
  return JSON.stringify(path);
}

/** Walks over a text once, statement by statement. */
class Scanner implements TomlScan {
  readonly offsets = new Map<string, number>();
  readonly statements: number[] = [];
  tooDeepAt: number | undefined;
  reservedAt: number | undefined;
  readonly #text: string;
  /** The number of tables in each list of tables, by the id of its path. */
  readonly #tableCounts = new Map<string, number>();
  #table: (string | number)[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): this {
    while (this.#at < this.#text.length && this.tooDeepAt === undefined) {
      this.#skipBlank(true);
      if (this.#at >= this.#text.length) break;
      const start = this.#at;
      this.statements.push(start);
      if (this.#text[start] === "[") this.#header();
      else this.#keyValue(this.#table);
      this.#skipLine();
      if (this.#at === start) this.#at++;
    }
    return this;
  }

  #header(): void {
    const start = this.#at;
    const isList = this.#text[start + 1] === "[";
    this.#at += isList ? 2 : 1;
    const keys = this.#keys();
    const path: (string | number)[] = [];
    for (const [index, { name }] of keys.entries()) {
      path.push(name);
      if (!this.#record(path, start)) return;
      const id = pathId(path);
      const isLast = index === keys.length - 1;
      const count = this.#tableCounts.get(id);
      if (isLast && isList) {
        this.#tableCounts.set(id, (count ?? 0) + 1);
        path.push(count ?? 0);
      } else if (count !== undefined) {
        path.push(count - 1);
      }
    }
    this.#record(path, start);
    this.#table = path;
  }

  /** Remembers where `path` stands when it has not been seen; false when it is too long. */
  #record(path: KeyPath, offset: number): boolean {
    if (path.length > DEPTH_MAX) {
      this.tooDeepAt = offset;
      return false;
    }
    if (path.at(-1) === "__proto__") this.reservedAt ??= offset;
    const id = pathId(path);
    if (!this.offsets.has(id)) this.offsets.set(id, offset);
    return true;
  }

  /** A key and its value, at a line's begin or in an inline table. */
  #keyValue(table: KeyPath): void {
    const path = [...table];
    for (const { name, offset } of this.#keys()) {
      path.push(name);
      if (!this.#record(path, offset)) return;
    }
    if (this.#text[this.#at] !== "=") return;
    this.#at++;
    this.#skipBlank(false);
    this.#value(path);
  }

  #value(path: KeyPath): void {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") {
      this.#string(first);
    } else if (first === "[" || first === "{") {
      this.#bracketed(path, first === "[" ? "]" : "}");
    } else {
      while (this.#at < this.#text.length && !/[\s,\]}#]/.test(this.#text[this.#at] ?? "")) this.#at++;
    }
  }

  /** A list or an inline table. */
  #bracketed(path: KeyPath, close: "]" | "}"): void {
    this.#at++;
    for (let index = 0; this.tooDeepAt === undefined; ) {
      this.#skipBlank(true);
      const start = this.#at;
      const next = this.#text[start];
      if (next === undefined) return;
      if (next === close) {
        this.#at++;
        return;
      }
      if (next === ",") {
        this.#at++;
      } else if (close === "}") {
        this.#keyValue(path);
      } else {
        const item = [...path, index++];
        if (!this.#record(item, start)) return;
        this.#value(item);
      }
      if (this.#at === start) return;
    }
  }

  /** The parts of a dotted key; stops at what belongs to none. */
  #keys(): { name: string; offset: number }[] {
    const keys: { name: string; offset: number }[] = [];
    while (this.#at < this.#text.length) {
      this.#skipBlank(false);
      const offset = this.#at;
      const first = this.#text[offset];
      if (first === '"' || first === "'") {
        this.#string(first);
        keys.push({ name: unquote(this.#text.slice(offset, this.#at)), offset });
      } else {
        while (/[A-Za-z0-9_-]/.test(this.#text[this.#at] ?? "")) this.#at++;
        if (this.#at === offset) return keys;
        keys.push({ name: this.#text.slice(offset, this.#at), offset });
      }
      this.#skipBlank(false);
      if (this.#text[this.#at] !== ".") return keys;
      this.#at++;
    }
    return keys;
  }

  /** A string of any of the four forms; one on a single line ends with its line at the latest. */
  #string(quote: '"' | "'"): void {
    const text = this.#text;
    const long = text.startsWith(quote.repeat(3), this.#at);
    const end = long ? quote.repeat(3) : quote;
    this.#at += end.length;
    while (this.#at < text.length) {
      if (text.startsWith(end, this.#at)) {
        this.#at += end.length;
        // One or two quotes may stand right before the closing three.
        while (long && text[this.#at] === quote) this.#at++;
        return;
      }
      if (!long && text[this.#at] === "\n") return;
      this.#at += quote === '"' && text[this.#at] === "\\" && text[this.#at + 1] !== "\n" ? 2 : 1;
    }
    this.#at = text.length;
  }

  /** Skips spaces and, with `lines`, line ends and comments. */
  #skipBlank(lines: boolean): void {
    for (;;) {
      const next = this.#text[this.#at];
      if (next === " " || next === "\t" || (lines && (next === "\n" || next === "\r" || next === "\ufeff"))) this.#at++;
      else if (lines && next === "#") this.#skipLine();
      else return;
    }
  }

  #skipLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end + 1;
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
