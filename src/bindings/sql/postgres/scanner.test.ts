/** Texts of PostgreSQL taken apart: statements, first words, parameters, whatever is quoted between them. */
import { expect, test } from "bun:test";
import { SQL_LIMITS } from "../limits.ts";
import { leadingWord, splitStatements as split, withNumberedParameters } from "./scanner.ts";

const splitStatements = (text: string) => split(text, SQL_LIMITS);

test("statements end at semicolons that are none of a quote's or a comment's", () => {
  expect(splitStatements("SELECT 1; SELECT ';'; ; -- ; no\nSELECT 2")).toEqual([
    "SELECT 1",
    "SELECT ';'",
    "-- ; no\nSELECT 2",
  ]);
  expect(splitStatements('SELECT $$;$$, $a$ ; $$ $a$; SELECT "a;b"')).toEqual([
    "SELECT $$;$$, $a$ ; $$ $a$",
    'SELECT "a;b"',
  ]);
  expect(splitStatements("SELECT E'\\';', 'it''s;'; /* ; /* ; */ ; */ SELECT 3")).toEqual([
    "SELECT E'\\';', 'it''s;'",
    "/* ; /* ; */ ; */ SELECT 3",
  ]);
  expect(splitStatements(" ; -- nothing\n; /* nothing */ ")).toEqual([]);
  expect(splitStatements("SELECT 'never ends; SELECT 2")).toEqual(["SELECT 'never ends; SELECT 2"]);
});

test("semicolons in brackets and in the body of a routine end nothing", () => {
  const rule = "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)";
  const atomic =
    "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end";
  const named = "CREATE TABLE begin_of (begin int)";
  expect(splitStatements(`${rule}; ${atomic}; ${named}; SELECT 3`)).toEqual([rule, atomic, named, "SELECT 3"]);
});

test("the first word is found behind comments and brackets", () => {
  expect(leadingWord("-- x\n /* y /* z */ */ (( select 1))")).toBe("SELECT");
  expect(leadingWord("begin")).toBe("BEGIN");
  expect(leadingWord("'SELECT'")).toBe("");
  expect(leadingWord("/* never ends SELECT")).toBe("");
});

test("parameters are numbered where they are parameters", () => {
  expect(withNumberedParameters("SELECT ?, ?, '?', \"?\", $$?$$ -- ?\n, ?")).toBe(
    "SELECT $1, $2, '?', \"?\", $$?$$ -- ?\n, $3",
  );
  expect(withNumberedParameters("SELECT ?2, ?1, a ?? 'b', $3")).toBe("SELECT $2, $1, a ? 'b', $3");
});
