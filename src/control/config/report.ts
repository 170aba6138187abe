/**
 * Tells a mistake in a configuration file: finds its line, names the key and whose it is, and what was expected there.
 *
 * One mistake is told at a time: the first of the file, but names that are not known before all others, since a name
 * written wrongly is missed elsewhere.
 */
import type { z } from "zod";
import { nearest } from "../../stdx/nearest.ts";
import { ConfigError, type TextPosition } from "./error.ts";
import type { KeyPath } from "./scan.ts";
import { keysAt } from "./schema.ts";
import type { TomlText } from "./toml.ts";

const SHOWN_LENGTH_MAX = 60;

/** A parsed file, and how to complain about it. */
export class ConfigReport {
  /** The file as its user wrote it. */
  readonly file: string;
  readonly #toml: TomlText;

  constructor(file: string, toml: TomlText) {
    this.file = file;
    this.#toml = toml;
  }

  /** Where `path` stands in the file. */
  locate(path: KeyPath): TextPosition {
    return this.#toml.locate(path);
  }

  /**
   * Tells that the value at `path` is wrong.
   * @param reason what stands after `Cannot read KEY of SUBJECT: `; when it only says what was expected, the value is
   * added.
   */
  fail(path: KeyPath, reason: string): never {
    const expected = /^expected (.*)$/s.exec(reason)?.[1];
    let told = reason;
    if (expected !== undefined && !reason.includes(', not "')) {
      const value = valueAt(this.#toml.value, path);
      told = value === undefined ? `${reason}, but the key is missing` : `${reason}, not ${show(value)}`;
    }
    throw this.#error(path, `Cannot read ${describe(path, this.#toml.value)}: ${told}`, expected);
  }

  /** Tells the first of what a schema found. */
  failWith(issues: readonly z.core.$ZodIssue[], schema: z.ZodType): never {
    const findings = issues.map((issue) => findingOf(issue, schema));
    const told = findings
      .map((finding) => ({ ...finding, position: this.locate(finding.path) }))
      .sort(
        (a, b) => a.order - b.order || a.position.line - b.position.line || a.position.column - b.position.column,
      )[0];
    this.fail(told?.path ?? [], told?.reason ?? "the file is not of the form that was expected");
  }

  #error(path: KeyPath, message: string, expected: string | undefined): ConfigError {
    return new ConfigError({ message, file: this.file, position: this.locate(path), expected });
  }
}

interface Finding {
  readonly path: KeyPath;
  readonly reason: string;
  /** Lower ones are told first. */
  readonly order: number;
}

function findingOf(issue: z.core.$ZodIssue, schema: z.ZodType): Finding {
  const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    return { path: [...path, key], reason: unknownKey(key, keysAt(schema, path) ?? []), order: 0 };
  }
  if (issue.code === "invalid_type") return { path, reason: `expected ${formOf(issue.expected, path)}`, order: 1 };
  return { path, reason: issue.message, order: 1 };
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return meant === undefined
    ? `the key is not known; known here: ${known.join(", ")}`
    : `the key is not known; did you mean "${meant}"?`;
}

function formOf(expected: string, path: KeyPath): string {
  if (expected !== "array") return "a table";
  const [name] = path;
  const isTables = path.length === 1 && (name === "functions" || name === "applications" || name === "keys");
  return isTables ? `tables written [[${name}]]` : 'a list in brackets, such as ["a", "b"]';
}

function valueAt(value: unknown, path: KeyPath): unknown {
  let at = value;
  for (const part of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Readonly<Record<string | number, unknown>>)[part];
  }
  return at;
}

/** A value as a message shows it: short, on one line. */
function show(value: unknown): string {
  if (Array.isArray(value)) {
    const whole = `[${value.map(show).join(", ")}]`;
    return whole.length <= SHOWN_LENGTH_MAX ? whole : "a list";
  }
  if (typeof value === "object" && value !== null) return "a table";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= SHOWN_LENGTH_MAX ? text : `${text.slice(0, SHOWN_LENGTH_MAX)}…`;
}

/** The key at `path` and whose it is: `limits.wall_ms of function "hello"`. */
function describe(path: KeyPath, root: unknown): string {
  const [table, name] = path;
  const isOwned = name !== undefined && (table === "plans" || typeof name === "number");
  const rest = path.slice(isOwned ? 2 : 0).filter((part) => typeof part === "string");
  const key = rest.map((part) => (/^[A-Za-z0-9_-]+$/.test(part) ? part : show(part))).join(".");
  if (!isOwned) return key || "the file";
  const owner = ownerOf(String(table), name, root);
  return key === "" ? owner : `${key} of ${owner}`;
}

const OWNERS: Readonly<Record<string, readonly [word: string, key: string]>> = {
  functions: ["function", "name"],
  applications: ["application", "url_path"],
};

function ownerOf(table: string, name: string | number, root: unknown): string {
  if (table === "plans") return `plan ${show(name)}`;
  const [word, key] = OWNERS[table] ?? [table.replace(/s$/, ""), ""];
  const own = valueAt(root, [table, name, key]);
  return typeof own === "string" ? `${word} ${show(own)}` : `${word} number ${Number(name) + 1}`;
}
