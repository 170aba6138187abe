import { expect, test } from "bun:test";
import { JSON_VALUES_MAX, parseBoundedJson } from "./bounded_json.ts";
import { IsopodError } from "./errors.ts";

/** What is refused, as its message; undefined for what is not. */
function refusal(text: string): string | undefined {
  try {
    parseBoundedJson(text, "the text");
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(IsopodError);
    expect((error as IsopodError).code).toBe("bad_request");
    return (error as IsopodError).message;
  }
}

test("JSON is read as JSON is", () => {
  for (const text of ["1", '"a"', '{"a":[1,{"b":null}]}', ' [ "\\"", "\\\\" ] '])
    expect(parseBoundedJson(text, "the text")).toEqual(JSON.parse(text));
  expect(refusal("{")).toStartWith("Cannot read the text: it is not JSON (");
});

test("text is not structure, however long and whatever it holds", () => {
  for (const piece of ["x", ",", '\\"', "\\\\", "[", "é", "{\\n"]) {
    const text = `{"code":"${piece.repeat(200_000)}"}`;
    expect([piece, refusal(text)]).toEqual([piece, undefined]);
  }
});

test("up to the bound values are read, and one more is refused", () => {
  const list = (count: number) => `[${" ".repeat(70_000)}${Array.from({ length: count }, () => "0").join(",")}]`;
  expect(refusal(list(JSON_VALUES_MAX))).toBeUndefined();
  expect(refusal(list(JSON_VALUES_MAX + 1))).toBe(
    `Cannot read the text: it holds more than ${JSON_VALUES_MAX} values.`,
  );
});

test("bombs of every shape are refused without being built", () => {
  for (const text of [
    "[".repeat(5e6),
    "[],".repeat(2e6),
    '{"a":'.repeat(1e6),
    '{"a":1},'.repeat(1e6),
    '"a",'.repeat(1e6),
    ",".repeat(5e6),
  ]) {
    expect(refusal(text)).toContain("more than");
  }
});
