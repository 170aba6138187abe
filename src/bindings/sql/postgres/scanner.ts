/**
 * Reads PostgreSQL's texts as far as must be: where a statement ends, what it begins with, where parameters stand. Quotes,
 * dollar quotes and comments, which nest, are skipped as PostgreSQL's own scanner skips them.
 */

/** A piece of a text: code, or what is quoted or a comment. */
interface Piece {
  readonly isCode: boolean;
  readonly text: string;
}

const DOLLAR_QUOTE = /^\$([A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/;

/** The pieces of a text, one behind the other. */
function* piecesOf(sql: string): Generator<Piece> {
  let code = 0;
  for (let at = 0; at < sql.length; ) {
    const end = endOfQuoted(sql, at);
    if (end === undefined) {
      at += 1;
      continue;
    }
    if (at > code) yield { isCode: true, text: sql.slice(code, at) };
    yield { isCode: false, text: sql.slice(at, end) };
    at = end;
    code = end;
  }
  if (code < sql.length) yield { isCode: true, text: sql.slice(code) };
}

/** Where what is quoted or a comment at `at` ends; undefined when nothing of that begins there. */
function endOfQuoted(sql: string, at: number): number | undefined {
  const here = sql[at];
  if (here === "'") return endOfString(sql, at, "'", hasEscapes(sql, at));
  if (here === '"') return endOfString(sql, at, '"', false);
  if (here === "-" && sql[at + 1] === "-") {
    const line = sql.slice(at).search(/[\r\n]/);
    return line < 0 ? sql.length : at + line;
  }
  if (here === "/" && sql[at + 1] === "*") return endOfComment(sql, at);
  if (here !== "$" || /[A-Za-z0-9_$\u0080-\uffff]/.test(sql[at - 1] ?? "")) return undefined;
  const tag = DOLLAR_QUOTE.exec(sql.slice(at, at + 128))?.[0];
  if (tag === undefined) return undefined;
  const end = sql.indexOf(tag, at + tag.length);
  return end < 0 ? sql.length : end + tag.length;
}

/** Whether the string at `at` is of the form E'…', in which a backslash escapes. */
function hasEscapes(sql: string, at: number): boolean {
  return /[eE]/.test(sql[at - 1] ?? "") && !/[A-Za-z0-9_$\u0080-\uffff]/.test(sql[at - 2] ?? "");
}

function endOfString(sql: string, at: number, quote: string, escapes: boolean): number {
  for (let next = at + 1; next < sql.length; next += 1) {
    if (escapes && sql[next] === "\\") next += 1;
    else if (sql[next] === quote) {
      if (sql[next + 1] !== quote) return next + 1;
      next += 1;
    }
  }
  return sql.length;
}

function endOfComment(sql: string, at: number): number {
  let depth = 0;
  for (let next = at; next < sql.length; next += 1) {
    const two = sql.slice(next, next + 2);
    if (two === "/*") depth += 1;
    else if (two === "*/") depth -= 1;
    else continue;
    next += 1;
    if (depth === 0) return next + 1;
  }
  return sql.length;
}

/** The statements of a text, without empty ones. */
export function splitStatements(text: string): string[] {
  const statements: string[] = [];
  let current = "";
  let hasCode = false;
  const finish = () => {
    if (hasCode) statements.push(current.trim());
    current = "";
    hasCode = false;
  };
  for (const { isCode, text: piece } of piecesOf(text)) {
    if (!isCode) {
      current += piece;
      hasCode ||= !/^(--|\/\*)/.test(piece);
      continue;
    }
    const [first = "", ...rest] = piece.split(";");
    current += first;
    hasCode ||= first.trim() !== "";
    for (const part of rest) {
      finish();
      current = part;
      hasCode = part.trim() !== "";
    }
  }
  finish();
  return statements;
}

/** The word that a statement begins with, in capitals; empty when it begins with none. */
export function leadingWord(sql: string): string {
  for (const { isCode, text } of piecesOf(sql)) {
    if (!isCode) {
      if (/^(--|\/\*)/.test(text)) continue;
      return "";
    }
    const code = text.replace(/^[\s(]+/, "");
    if (code !== "") return /^[A-Za-z_]+/.exec(code)?.[0].toUpperCase() ?? "";
  }
  return "";
}

/** The text with `$1`, `$2`, … in the place of `?` and `?1`; those that are operators of JSON are written `??`. */
export function withNumberedParameters(sql: string): string {
  let count = 0;
  let converted = "";
  for (const { isCode, text } of piecesOf(sql)) {
    converted += isCode
      ? text.replace(/\?\?|\?(\d+)?/g, (found, number: string | undefined) => {
          if (found === "??") return "?";
          count += 1;
          return `$${number ?? count}`;
        })
      : text;
  }
  return converted;
}
