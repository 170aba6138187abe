import { expect, test } from "bun:test";
import { ERROR_RULES, type ErrorCode, errorBody, IsopodError, isErrorCode, toIsopodError } from "./errors.ts";

const page = await Bun.file(new URL("../../docs/errors.md", import.meta.url)).text();
const rules = Object.entries(ERROR_RULES);

test("the catalogue and docs/errors.md say the same, in the same order", () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$/gm)];
  const documented = rows.map(([, code, status, kind, sentence]) => ({ code, status, kind, sentence }));
  const known = rules.map(([code, { status, kind, sentence }]) => ({ code, status: String(status), kind, sentence }));
  expect(documented).toEqual(known as typeof documented);
});

test("codes, statuses and sentences have one form", () => {
  for (const [code, { status, kind, sentence }] of rules) {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect([code, status >= 400 && status <= 599]).toEqual([code, true]);
    expect([code, kind === "user" || status >= 500]).toEqual([code, true]);
    expect(sentence).toMatch(/^[A-Z][^|]*\.$/);
  }
});

test("a user error tells its details", () => {
  const error = new IsopodError("wall_limit", {
    message: "The program ran longer than 10 ms.",
    limit: { name: "wallMs", value: 10 },
    position: { line: 3, column: 7 },
    cause: new Error("private"),
  });
  expect(error).toMatchObject({ status: 504, kind: "user", message: "The program ran longer than 10 ms." });
  expect(JSON.parse(JSON.stringify(errorBody(error, "r1")))).toEqual({
    code: "wall_limit",
    message: "The program ran longer than 10 ms.",
    request_id: "r1",
    limit: { name: "wallMs", value: 10 },
    line: 3,
    column: 7,
  });
});

test("a system error tells its sentence alone", () => {
  const error = new IsopodError("start_failed", { message: "bwrap: /secret/path is missing", cause: new Error("x") });
  expect(errorBody(error, "r2")).toEqual({
    code: "start_failed",
    message: ERROR_RULES.start_failed.sentence,
    request_id: "r2",
  });
});

test("an error without a message has the sentence of its code", () => {
  expect(new IsopodError("not_found").message).toBe(ERROR_RULES.not_found.sentence);
});

test("whatever was thrown becomes an error of the catalogue", () => {
  const known = new IsopodError("overloaded");
  expect(toIsopodError(known)).toBe(known);
  for (const thrown of [new TypeError("secret"), "text", undefined, null, { code: "not_found" }]) {
    const error = toIsopodError(thrown);
    expect(error.code).toBe("internal");
    expect(error.details.cause).toBe(thrown);
    expect(JSON.stringify(errorBody(error, "r3"))).not.toContain("secret");
  }
});

test("only codes of the catalogue are codes", () => {
  for (const code of Object.keys(ERROR_RULES)) expect(isErrorCode(code)).toBe(true);
  const others: unknown[] = ["toString", "__proto__", "", 404, undefined, ["internal"] satisfies ErrorCode[]];
  for (const other of others) expect(isErrorCode(other)).toBe(false);
});
