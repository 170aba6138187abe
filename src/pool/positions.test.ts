import { expect, test } from "bun:test";
import { IsopodError } from "../core/errors.ts";
import type { Program } from "../core/function.ts";
import { Positions } from "./positions.ts";

const thrown = (line: number, column: number, stack?: string): IsopodError =>
  new IsopodError("uncaught_exception", { message: "Error: x", position: { line, column }, stack });

const program = (sourceMap: string | undefined): Program => ({
  name: "a+b.ts",
  language: "javascript",
  code: "",
  hash: "",
  sourceMap,
});

/** Line 1 of the bundle is line 3, column 3 of two.ts; its line 2 is line 1 of one.ts. */
const MAP = JSON.stringify({
  version: 3,
  sources: ["host:http://h/one.ts", "host:http://h/two.ts"],
  names: [],
  mappings: "ACEE;ADFF",
});

test("a position in a bundle becomes one in its source, which the message names", () => {
  const error = new Positions(() => 0).translate(
    thrown(1, 9, "at f (a+b.ts:1:9)\nat a+b.ts:2:1\nat aab.ts:1:1"),
    program(MAP),
    true,
  );
  expect([error.code, error.message, error.details.position]).toEqual([
    "uncaught_exception",
    "Error: x (http://h/two.ts:3:3)",
    { line: 3, column: 3 },
  ]);
  expect(error.details.stack).toBe("at f (http://h/two.ts:3:3)\nat http://h/one.ts:1:1\nat aab.ts:1:1");
});

test("a message says no source to who may not know it", () => {
  const error = new Positions(() => 0).translate(thrown(1, 1), program(MAP), false);
  expect([error.message, error.details.position]).toEqual(["Error: x", { line: 3, column: 3 }]);
});

test("a program that is no bundle, and an error of another kind, stay as they are", () => {
  const positions = new Positions(() => 0);
  const error = thrown(7, 7);
  expect(positions.translate(error, program(undefined), true)).toBe(error);
  const limit = new IsopodError("wall_limit");
  expect(positions.translate(limit, program(MAP), true)).toBe(limit);
});

test("a map that cannot be read leaves the position out, and harms nobody", () => {
  const maps = [
    "",
    "{",
    "null",
    "[]",
    "1",
    '{"mappings":1,"sources":[]}',
    '{"mappings":"AAAA","sources":[null]}',
    '{"mappings":"AAAA","sources":"x"}',
    '{"mappings":"AZZZ","sources":["a"]}',
    '{"mappings":"~~~~","sources":["a"]}',
    '{"mappings":"AAAAAAAAAAAAAAAAAAAAAAAAAAA","sources":["a"]}',
    '{"sections":[],"mappings":"A","sources":["a"]}',
    JSON.stringify({ mappings: ";".repeat(1024 * 1024 + 1), sources: ["a"] }),
    JSON.stringify({ mappings: "AAAA", sources: ["x".repeat(5 * 1024 * 1024)] }),
  ];
  for (const map of maps) {
    const error = new Positions(() => 0).translate(thrown(3, 5), program(map), true);
    expect([map.slice(0, 60), error.message, error.details.position]).toEqual([
      map.slice(0, 60),
      "Error: x",
      undefined,
    ]);
  }
});

test("any garbage for mappings is read or not, and never throws", () => {
  let seed = 5;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const letters = "ABCDEFGHIJabcxyz0189+/;,,;~\u0000é ";
  const positions = new Positions(() => 0);
  for (let round = 0; round < 500; round++) {
    const mappings = Array.from({ length: next(60) }, () => letters[next(letters.length)]).join("");
    const error = positions.translate(
      thrown(1 + next(5), 1 + next(40)),
      program(JSON.stringify({ mappings, sources: ["a", "b"] })),
      true,
    );
    const { line, column } = error.details.position ?? { line: 1, column: 1 };
    expect([mappings, line > 0 && column > 0]).toEqual([mappings, true]);
  }
});

test("reading maps gets a share of each second and no more", () => {
  let now = 0;
  const positions = new Positions(() => (now += 30));
  const known = (error: IsopodError) => error.details.position !== undefined;
  const read = () => known(positions.translate(thrown(1, 1), program(MAP), true));
  expect(Array.from({ length: 6 }, read)).toEqual([true, true, true, true, false, false]);
  now += 1000;
  expect(read()).toBe(true);
});

test("a map is read once for many errors", () => {
  let readings = 0;
  const positions = new Positions(() => {
    readings += 1;
    return 0;
  });
  const same = program(MAP);
  for (let round = 0; round < 100; round++)
    expect(positions.translate(thrown(1, 1), same, true).details.position).toEqual({ line: 3, column: 3 });
  expect(readings).toBe(2);
});
