/**
 * Finds where the keys, tables and list items of a TOML text stand, and nothing else.
 *
 * It is lenient, always moves on, and never decides whether a text is right: `Bun.TOML.parse` does. Where the two
 * disagree, a position is off, never a value.
 */

import { TomlCursor } from "./cursor.ts";

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
  readonly #cursor: TomlCursor;
  /** The number of tables in each list of tables, by the id of its path. */
  readonly #tableCounts = new Map<string, number>();
  #table: (string | number)[] = [];

  constructor(text: string) {
    this.#text = text;
    this.#cursor = new TomlCursor(text);
  }

  run(): this {
    while (this.#cursor.at < this.#text.length && this.tooDeepAt === undefined) {
      this.#cursor.skipBlank(true);
      if (this.#cursor.at >= this.#text.length) break;
      const start = this.#cursor.at;
      this.statements.push(start);
      if (this.#text[start] === "[") this.#header();
      else this.#keyValue(this.#table);
      this.#cursor.skipLine();
      if (this.#cursor.at === start) this.#cursor.at++;
    }
    return this;
  }

  #header(): void {
    const start = this.#cursor.at;
    const isList = this.#text[start + 1] === "[";
    this.#cursor.at += isList ? 2 : 1;
    const keys = this.#cursor.keys();
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
    for (const { name, offset } of this.#cursor.keys()) {
      path.push(name);
      if (!this.#record(path, offset)) return;
    }
    if (this.#text[this.#cursor.at] !== "=") return;
    this.#cursor.at++;
    this.#cursor.skipBlank(false);
    this.#value(path);
  }

  #value(path: KeyPath): void {
    const first = this.#text[this.#cursor.at];
    if (first === '"' || first === "'") {
      this.#cursor.string(first);
    } else if (first === "[" || first === "{") {
      this.#bracketed(path, first === "[" ? "]" : "}");
    } else {
      this.#cursor.bare();
    }
  }

  /** A list or an inline table. */
  #bracketed(path: KeyPath, close: "]" | "}"): void {
    this.#cursor.at++;
    for (let index = 0; this.tooDeepAt === undefined; ) {
      this.#cursor.skipBlank(true);
      const start = this.#cursor.at;
      const next = this.#text[start];
      if (next === undefined) return;
      if (next === close) {
        this.#cursor.at++;
        return;
      }
      if (next === ",") {
        this.#cursor.at++;
      } else if (close === "}") {
        this.#keyValue(path);
      } else {
        const item = [...path, index++];
        if (!this.#record(item, start)) return;
        this.#value(item);
      }
      if (this.#cursor.at === start) return;
    }
  }
}
