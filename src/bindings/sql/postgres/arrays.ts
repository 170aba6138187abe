/**
 * Reads an array as PostgreSQL writes it, `{1,NULL,"a b",{…}}` (its manual, "Array Input and Output Syntax"), in one pass and
 * to a depth that PostgreSQL has too: the text may be anybody's. The library for it is for trusted servers, as it says.
 */

/** PostgreSQL's MAXDIM. */
const DEPTH_MAX = 6;
const BACKSLASH = 92;
const QUOTE = 34;
/** What ends a value that is not quoted. */
const END = /[,{}"]|$/g;

/** A list of what `read` makes of each value. */
export type ReadList<Value> = readonly (Value | null | ReadList<Value>)[];

/** The values of an array; undefined for what is none, or says where its numbers begin (`[2:3]={…}`). */
export function readArray<Value>(text: string, read: (text: string) => Value): ReadList<Value> | undefined {
  type Open = (Value | null | ReadList<Value>)[];
  const open: Open[] = [];
  let list: Open | undefined;
  for (let at = 0; at < text.length; ) {
    const mark = text[at];
    if (mark === "{") {
      if (open.length === DEPTH_MAX || (list === undefined && at > 0)) return undefined;
      const inner: Open = [];
      list?.push(inner);
      if (list !== undefined) open.push(list);
      list = inner;
    } else if (list === undefined) return undefined;
    else if (mark === "}") {
      const outer = open.pop();
      if (outer === undefined) return at === text.length - 1 ? list : undefined;
      list = outer;
    } else if (mark !== ",") {
      const end = text.charCodeAt(at) === QUOTE ? endOfQuoted(text, at) : endOfBare(text, at);
      if (end === undefined) return undefined;
      const value = text.slice(at, end);
      list.push(value === "NULL" ? null : read(mark === '"' ? unquoted(value) : value));
      at = end;
      continue;
    }
    at += 1;
  }
  return undefined;
}

function endOfQuoted(text: string, from: number): number | undefined {
  for (let at = from + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) return at + 1;
  }
  return undefined;
}

function endOfBare(text: string, from: number): number {
  END.lastIndex = from;
  return END.exec(text)?.index ?? text.length;
}

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/gs, "$1");
}
