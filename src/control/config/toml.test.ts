import { expect, test } from "bun:test";
import type { KeyPath } from "./scan.ts";
import { readToml, type TomlMistake, type TomlText } from "./toml.ts";

function read(text: string): TomlText {
  const result = readToml(text);
  if ("message" in result) throw new Error(`${result.position.line}: ${result.message}`);
  return result;
}

function mistake(text: string): TomlMistake {
  const result = readToml(text);
  if (!("message" in result)) throw new Error("parsed");
  return result;
}

const TEXT = `# a comment with [brackets] and "quotes
top = 1
"quoted.key" = { inner = [1, 2], 'single' = "x # not a comment" }
site."google.com".on = true

[table.nested] # trailing
list = [
  "a, ]",
  # a comment ]
  { x = 1, y = { z = 2 } },
]
long = """
[not.a.table]
key = "no" \\"""
"""""
after = 1

[[rows]]
name = "first"
  [rows.deep]
  KEY = { t = 1 }
[[rows]]
name = "second"
  [[rows.deep.er]]
  k = 1
  [[rows.deep.er]]
  k = 2
"caf\\u00e9" = 3
`;

const PLACES: readonly (readonly [KeyPath, number, number])[] = [
  [["top"], 2, 1],
  [["quoted.key"], 3, 1],
  [["quoted.key", "inner"], 3, 18],
  [["quoted.key", "inner", 1], 3, 30],
  [["quoted.key", "single"], 3, 34],
  [["site", "google.com", "on"], 4, 19],
  [["table"], 6, 1],
  [["table", "nested"], 6, 1],
  [["table", "nested", "list"], 7, 1],
  [["table", "nested", "list", 0], 8, 3],
  [["table", "nested", "list", 1, "y", "z"], 10, 18],
  [["table", "nested", "after"], 16, 1],
  [["rows", 0, "name"], 19, 1],
  [["rows", 0, "deep", "KEY", "t"], 21, 11],
  [["rows", 1], 22, 1],
  [["rows", 1, "name"], 23, 1],
  [["rows", 1, "deep", "er", 0, "k"], 25, 3],
  [["rows", 1, "deep", "er", 1, "k"], 27, 3],
  [["rows", 1, "deep", "er", 1, "café"], 28, 1],
];

test("finds every key where it stands", () => {
  const { locate } = read(TEXT);
  for (const [path, line, column] of PLACES) expect([path, locate(path)]).toEqual([path, { line, column }]);
});

test("finds the same after CRLF line ends and a byte order mark", () => {
  const { locate } = read(`\ufeff${TEXT.replaceAll("\n", "\r\n")}`);
  for (const [path, line] of PLACES) expect([path, locate(path).line]).toEqual([path, line]);
});

test("falls back to the nearest part of a path that is written", () => {
  const { locate } = read(TEXT);
  expect(locate(["rows", 1, "missing", "key"]).line).toBe(22);
  expect(locate(["nowhere"])).toEqual({ line: 1, column: 1 });
});

test("every key that the parser sees has a place", () => {
  const { value, locate } = read(TEXT);
  const visit = (at: unknown, path: KeyPath): void => {
    if (typeof at !== "object" || at === null) return;
    for (const [key, inner] of Object.entries(at)) {
      const next = [...path, Array.isArray(at) ? Number(key) : key];
      if (next.length === 1) expect(locate(next)).not.toEqual({ line: 1, column: 1 });
      else expect([next, locate(next).line >= locate(path).line]).toEqual([next, true]);
      visit(inner, next);
    }
  };
  visit(value, []);
});

test("names the line of a mistake", () => {
  expect(mistake('a = 1\nb = "x\nc = 2\n').position).toEqual({ line: 2, column: 1 });
  expect(mistake("a = 1\n[a]\nb = 1\n").position.line).toBe(2);
  expect(mistake("a = 1\n  a = 2\n")).toMatchObject({
    message: "Cannot redefine key 'a'",
    position: { line: 2, column: 3 },
  });
  expect(mistake("x = 1\ny = 2\nz = [1,\n2,\n tru,\n 4]\nw = 1").position.line).toBe(5);
  expect(mistake('x = 1\ny = """\nnever\nended\n').position.line).toBe(2);
  expect(mistake("x = 1\ny = [1,\n2\n\n[t]\n").position.line).toBeGreaterThanOrEqual(2);
  expect(mistake("x").position).toEqual({ line: 1, column: 1 });
  expect(mistake("a = 1\n\n= 2").position.line).toBe(3);
});

test("names the line of a mistake wherever it stands", () => {
  const lines = TEXT.split("\n");
  for (const [, line] of PLACES) {
    const at = line - 1;
    if (lines[at]?.startsWith('  "') || lines[at]?.startsWith("  {")) continue;
    const broken = [...lines.slice(0, at), "what is this", ...lines.slice(at)].join("\n");
    expect([line, mistake(broken).position]).toEqual([line, { line, column: 1 }]);
  }
});

test("refuses what is nested too deeply instead of overflowing", () => {
  for (const text of ["[".repeat(100_000), `a = ${"[".repeat(100_000)}`, `a = ${"{a=".repeat(100_000)}`]) {
    expect(mistake(text).position.line).toBe(1);
  }
  expect(mistake(`ok = 1\n${"a.".repeat(100_000)}a = 1`)).toMatchObject({
    message: "more than 32 levels of tables and lists",
    position: { line: 2 },
  });
});

test("refuses the one key that objects take for something else", () => {
  for (const text of ["__proto__ = 1", "[a.__proto__]", "a = { '__proto__' = 1 }", 'a."__pro\\u0074o__".b = 1']) {
    expect([text, mistake(`ok = 1\n${text}\n`)]).toMatchObject([
      text,
      { message: '"__proto__" cannot be a key', position: { line: 2 } },
    ]);
  }
});
