/**
 * Reads PostgreSQL's texts as far as must be: where a statement ends, what it begins with, where parameters stand. Quotes,
 * dollar quotes and comments, which nest, are skipped as PostgreSQL's own scanner skips them, each character once.
 *
 * Nothing that must hold depends on it: that a text is one statement is the protocol's doing, and not ours.
 */

import { Refusal } from "../database/refusal.ts";
import { checkCount } from "../database/request.ts";
import type { SqlLimits } from "../limits.ts";

/** A piece of a text: code, what is quoted, or a comment. */
interface Piece {
  readonly kind: "code" | "quoted" | "comment";
  readonly text: string;
}

const TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
const NAME_PART = /[A-Za-z0-9_$\u0080-\uffff]/;
const LINE_END = /[\r\n]|$/g;
const COMMENT_MARK = /\/\*|\*\//g;
const BACKSLASH = 92;
/** Strings and comments of one text that is split: some 20 ms of work. */
const PIECES_MAX = 100_000;

/** The pieces of a text, one behind the other. */
function* piecesOf(sql: string): Generator<Piece> {
  let code = 0;
  for (let at = 0; at < sql.length; ) {
    const end = endOfPiece(sql, at);
    if (end === undefined) {
      at += 1;
      continue;
    }
    if (at > code) yield { kind: "code", text: sql.slice(code, at) };
    const isComment = sql[at] === "-" || sql[at] === "/";
    yield { kind: isComment ? "comment" : "quoted", text: sql.slice(at, end) };
    at = end;
    code = end;
  }
  if (code < sql.length) yield { kind: "code", text: sql.slice(code) };
}

/** Where what is quoted or a comment at `at` ends; undefined when nothing of that begins there. */
function endOfPiece(sql: string, at: number): number | undefined {
  switch (sql[at]) {
    case "'":
      return endOfString(sql, at, "'", hasEscapes(sql, at));
    case '"':
      return endOfString(sql, at, '"', false);
    case "-":
      return sql[at + 1] === "-" ? find(LINE_END, sql, at)?.index : undefined;
    case "/":
      return sql[at + 1] === "*" ? endOfComment(sql, at) : undefined;
    case "$":
      return NAME_PART.test(sql[at - 1] ?? "") ? undefined : endOfDollarQuote(sql, at);
    default:
      return undefined;
  }
}

/** Whether the string at `at` is of the form E'…', in which a backslash escapes. */
function hasEscapes(sql: string, at: number): boolean {
  return /[eE]/.test(sql[at - 1] ?? "") && !NAME_PART.test(sql[at - 2] ?? "");
}

function endOfString(sql: string, at: number, quote: string, escapes: boolean): number {
  const mark = quote.charCodeAt(0);
  for (let next = at + 1; next < sql.length; next += 1) {
    const code = sql.charCodeAt(next);
    if (escapes && code === BACKSLASH) next += 1;
    else if (code === mark) {
      if (sql.charCodeAt(next + 1) !== mark) return next + 1;
      next += 1;
    }
  }
  return sql.length;
}

function endOfDollarQuote(sql: string, at: number): number | undefined {
  const tag = find(TAG, sql, at)?.[0];
  if (tag === undefined) return undefined;
  const end = sql.indexOf(tag, at + tag.length);
  return end < 0 ? sql.length : end + tag.length;
}

function endOfComment(sql: string, at: number): number {
  let depth = 0;
  for (let mark = find(COMMENT_MARK, sql, at); mark !== null; mark = COMMENT_MARK.exec(sql)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return mark.index + 2;
  }
  return sql.length;
}

function find(pattern: RegExp, sql: string, from: number): RegExpExecArray | null {
  pattern.lastIndex = from;
  return pattern.exec(sql);
}

/** The statements of a text, without empty ones. @throws {Refusal} `sql_error` for a text that has too many, or too many strings */
export function splitStatements(text: string, limits: SqlLimits): string[] {
  const statements: string[] = [];
  let current: string[] = [];
  let hasCode = false;
  let nesting = new Nesting();
  const finish = () => {
    if (hasCode) statements.push(current.join("").trim());
    checkCount(statements.length, limits);
    current = [];
    hasCode = false;
    nesting = new Nesting();
  };
  let pieces = 0;
  for (const { kind, text: piece } of piecesOf(text)) {
    pieces += 1;
    if (pieces > PIECES_MAX) throw new Refusal("sql_error", `Cannot run a text of more than ${PIECES_MAX} strings`);
    if (kind !== "code") {
      current.push(piece);
      hasCode ||= kind === "quoted";
      continue;
    }
    for (const [at, part] of piece.split(";").entries()) {
      if (at > 0 && nesting.isOpen) current.push(";");
      else if (at > 0) finish();
      current.push(part);
      hasCode ||= part.trim() !== "";
      nesting.read(part);
    }
  }
  finish();
  return statements;
}

/**
 * Whether a semicolon is one inside a statement: in brackets (CREATE RULE … DO (…; …)), or in the body of a routine
 * (CREATE FUNCTION … BEGIN ATOMIC …; …; END), as psql sees it.
 */
class Nesting {
  #words = 0;
  #isRoutine = false;
  #brackets = 0;
  #bodies = 0;

  get isOpen(): boolean {
    return this.#brackets > 0 || this.#bodies > 0;
  }

  read(code: string): void {
    for (const [found] of code.matchAll(/[A-Za-z_]+|[()]/g)) {
      if (found === "(") this.#brackets += 1;
      else if (found === ")") this.#brackets -= 1;
      else this.#readWord(found.toUpperCase());
    }
  }

  #readWord(word: string): void {
    this.#words += 1;
    if (this.#words === 1 && word !== "CREATE") this.#words = Number.POSITIVE_INFINITY;
    if (this.#words <= 4 && (word === "FUNCTION" || word === "PROCEDURE")) this.#isRoutine = true;
    if (!this.#isRoutine) return;
    if (word === "BEGIN" || (word === "CASE" && this.#bodies > 0)) this.#bodies += 1;
    else if (word === "END" && this.#bodies > 0) this.#bodies -= 1;
  }
}

/** The word that a statement begins with, in capitals; empty when it begins with none. */
export function leadingWord(sql: string): string {
  for (const { kind, text } of piecesOf(sql)) {
    if (kind === "comment") continue;
    if (kind === "quoted") return "";
    const code = text.replace(/^[\s(]+/, "");
    if (code !== "") return /^[A-Za-z_]+/.exec(code)?.[0].toUpperCase() ?? "";
  }
  return "";
}

/** The text with `$1`, `$2`, … in the place of `?` and `?1`; those that are operators of JSON are written `??`. */
export function withNumberedParameters(sql: string): string {
  let count = 0;
  const converted: string[] = [];
  for (const { kind, text } of piecesOf(sql)) {
    if (kind !== "code") {
      converted.push(text);
      continue;
    }
    converted.push(
      text.replace(/\?\?|\?(\d+)?/g, (found, number: string | undefined) => {
        if (found === "??") return "?";
        count += 1;
        return `$${number ?? count}`;
      }),
    );
  }
  return converted.join("");
}
