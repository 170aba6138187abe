/**
 * The words of an SQL text, as SQLite takes them apart: enough to know where a text has nothing left to run, and which
 * names it gives to common table expressions, how many values it wants, and where one statement ends and the next begins.
 * It does not parse.
 */

/** One word, name, number, text or sign. */
export interface Token {
  /** What a name or text says without its quotes; a word as it is written. */
  readonly text: string;
  /** Whether it can be a name: a bare word, or in any of SQLite's four kinds of quotes. */
  readonly isName: boolean;
  readonly isQuoted: boolean;
  /** Where it ends in the text. */
  readonly end: number;
}

/** A token, or what stands between two. Like SQLite, it takes a byte order mark for white space where a token begins. */
const TOKEN =
  /[\t-\r \ufeff]+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\?\d*|[:@$#]?[A-Za-z_\u0080-\ufefe\uff00-\uffff][\w$\u0080-\uffff]*|[\s\S]/gy;

/** The tokens of `sql`. */
export function* tokensOf(sql: string): Generator<Token> {
  for (const { 0: found, index } of sql.matchAll(TOKEN)) {
    const first = found[0] as string;
    const end = index + found.length;
    if (/[\t-\r \ufeff]/.test(first) || found.startsWith("--") || found.startsWith("/*")) continue;
    if (found.length > 1 && (first === "'" || first === '"' || first === "`")) {
      yield { text: found.slice(1, -1).replaceAll(first + first, first), isName: true, isQuoted: true, end };
    } else if (found.length > 1 && first === "[") {
      yield { text: found.slice(1, -1), isName: true, isQuoted: true, end };
    } else {
      yield { text: found, isName: /[A-Za-z_\u0080-\uffff]/.test(first), isQuoted: false, end };
    }
  }
}

/** The statements of `sql`, each with its semicolon; what cannot be run (white space, comments) is none. */
export function* statementsOf(sql: string): Generator<string> {
  let start = 0;
  let words: string[] = [];
  const whole = (end: number): string => sql.slice(start, end).trim();
  for (const { text, isQuoted, end } of tokensOf(sql)) {
    if (text !== ";" || isQuoted) {
      words.push(isQuoted ? "" : text.toLowerCase());
      continue;
    }
    // The statements of a trigger end in semicolons too; the trigger itself ends in `; END;`.
    const isOpen = isTrigger(words) && !(words.at(-1) === "end" && words.at(-2) === ";");
    if (isOpen) {
      words.push(text);
      continue;
    }
    if (words.length > 0) yield whole(end);
    start = end;
    words = [];
  }
  if (words.length > 0) yield whole(sql.length);
}

function isTrigger([first, second, third]: readonly string[]): boolean {
  if (first !== "create") return false;
  return second === "trigger" || ((second === "temp" || second === "temporary") && third === "trigger");
}

/** How many values a statement wants; a name when it is a named parameter that wants one. */
export function parametersOf(sql: string): number | string {
  let count = 0;
  for (const { text, isQuoted } of tokensOf(sql)) {
    if (isQuoted) continue;
    if (text === "?") count += 1;
    else if (/^\?\d+$/.test(text)) count = Math.max(count, Number(text.slice(1)));
    else if (/^[:@$#]./.test(text)) return text;
  }
  return count;
}

/**
 * The names, in lower case, that may be those of common table expressions: a name before `(`, or before `AS` and
 * `(`, `NOT` or `MATERIALIZED`. Rather one too many than one too few.
 */
export function* expressionNames(sql: string): Generator<string> {
  let [before, last]: (Token | undefined)[] = [];
  for (const token of tokensOf(sql)) {
    const word = token.text.toLowerCase();
    if (last?.isName && word === "(") yield last.text.toLowerCase();
    const opens = word === "(" || word === "not" || word === "materialized";
    if (before?.isName && last?.text.toLowerCase() === "as" && opens) yield before.text.toLowerCase();
    before = last;
    last = token;
  }
}
