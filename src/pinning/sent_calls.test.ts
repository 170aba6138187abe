/** Which functions of a source file are found, and which are refused with a place. */
import { expect, test } from "bun:test";
import type { FindModule } from "./clients.ts";
import { findSentCalls } from "./sent_calls.ts";

const CLIENT = 'import { connect } from "isopod";\nconst server = connect("http://localhost");\n';

const nothing: FindModule = async () => undefined;

/** The functions that a file sends, as they stand in their programs. */
async function sent(text: string, file = "src/app.ts", find = nothing): Promise<string[]> {
  const calls = await findSentCalls(text, file, find);
  return calls.map(({ program }) => program.code.slice(program.code.indexOf("\n") + 1).replace(/\);\n$/, ""));
}

/** A project of these files. */
function project(files: Readonly<Record<string, string>>): FindModule {
  return async (specifier) => {
    const text = files[specifier];
    return text === undefined ? undefined : { file: specifier, text };
  };
}

test("functions are found where they stand, of every form, as they stand", async () => {
  expect(await sent(`${CLIENT}await server.run(async ({ args }: RunContext<number>) => args + 1, 1);`)).toEqual([
    "async ({ args }: RunContext<number>) => args + 1",
  ]);
  expect(await sent(`${CLIENT}server.run(function () { return 1; }); server?.run((async () => 2) as never);`)).toEqual([
    "function () { return 1; }",
    "async () => 2",
  ]);
  expect(await sent(`${CLIENT}for await (const x of await server.run(async function* () { yield 1 })) x;`)).toEqual([
    "async function* () { yield 1 }",
  ]);
  expect(
    await sent(`${CLIENT}const f = async () => 1;\nfunction g() { return 2 }\nserver.run(f); server.run(g)`),
  ).toEqual(["async () => 1", "function g() { return 2 }"]);
  expect(await sent(`${CLIENT}const x = <b>{server.run(() => 1)}</b>;`, "src/app.tsx")).toEqual(["() => 1"]);
  expect(await sent(`${CLIENT}server.run(() => <T,>(x: T) => x)`, "src/app.mts")).toEqual(["() => <T,>(x: T) => x"]);
});

test("a client is known by how it was made, by whatever name, in this file or another", async () => {
  for (const text of [
    'import { connect as to } from "isopod"; to("http://localhost").run(() => 1);',
    'import * as isopod from "isopod"; const api = isopod.connect("http://localhost"); api.run(() => 1);',
    'import { connect } from "isopod"; export function f() { const inner = connect(url) as never; inner.run(() => 1); }',
    'import { api } from "./api.ts"; api.run(() => 1);',
    'import api from "./api.ts"; api.run(() => 1);',
    'import { renamed as mine } from "./barrel.ts"; mine.run(() => 1);',
  ]) {
    const find = project({
      "./api.ts": `import { connect } from "isopod"; export const api = connect("http://localhost"); export default api;`,
      "./barrel.ts": `export { api as renamed } from "./api.ts";`,
    });
    expect([text, await sent(text, "src/app.ts", find)]).toEqual([text, ["() => 1"]]);
  }
});

test("what is no client's is left alone", async () => {
  for (const text of [
    'import { connect } from "elsewhere"; connect("x").run(() => 1);',
    "const server = connect('x'); server.run(() => 1);",
    `${CLIENT}server.pinned("x"); other.run(() => 1); server["run"](() => 1); run(() => 1); server.walk(() => 1);`,
    `${CLIENT}// server.run(() => 1)\nconst text = "server.run(() => 1)";`,
    'import { connect } from "isopod"; import { api } from "./api.ts"; api.run(() => 1);',
  ]) {
    const find = project({ "./api.ts": "export const api = { run(f) { f(); } };" });
    expect([text, await sent(text, "src/app.ts", find)]).toEqual([text, []]);
  }
  expect(await sent(`${CLIENT}server.run(() => 1)`, "src/app.css")).toEqual([]);
  const round = project({ "./a.ts": `export { x } from "./b.ts";`, "./b.ts": `export { x } from "./a.ts";` });
  expect(await sent(`import { x } from "./a.ts"; x.run(() => 1);`, "src/app.ts", round)).toEqual([]);
});

test("what cannot be pinned is an error with its place", async () => {
  const refusal = (text: string) => sent(`${CLIENT}${text}`).then(String, (error: Error) => error.message);
  expect(await refusal("server.run(imported);")).toBe(
    "Cannot pin what is run at src/app.ts:3:12: expected a function that stands there, or the name of one in this file",
  );
  expect(await refusal("server.run(make());")).toStartWith("Cannot pin what is run at src/app.ts:3:12");
  expect(await refusal("server.run();")).toBe("Cannot pin the call at src/app.ts:3:1: it has no argument");
  expect(await refusal("function other(server) { server.run(() => 1); }")).toBe(
    'Cannot tell what "server" is at src/app.ts:3:26: the file binds that name more than once; give one of them another name',
  );
  expect(await refusal("const f = () => 1; { const f = () => 2; server.run(f); }")).toStartWith(
    'Cannot tell what "f" is at src/app.ts:3:52',
  );
  for (const binding of [
    "catch ({ server }) {}",
    "class A { m([server]) {} }",
    "(...server) => 1;",
    "{ enum server {} }",
  ]) {
    const text = binding.startsWith("catch") ? `try {} ${binding}` : binding;
    expect([binding, await refusal(`${text} server.run(() => 1);`)]).toEqual([
      binding,
      expect.stringMatching(/^Cannot tell what "server" is/),
    ]);
  }
  expect(await refusal("server.run(() => ;")).toMatch(/^Cannot read src\/app\.ts: .*\(3:17\)$/);
});

test("the hash of a function stays what it is: who changes its program makes every pin worthless", async () => {
  const [call] = await findSentCalls(`${CLIENT}server.run(() => 1)`, "src/app.ts", nothing);
  expect(call).toMatchObject({ line: 3, column: 12 });
  expect(call?.program.hash).toBe("sha256-a103df0736cf25d26be32abfcdf057d79751c2bfa1acb73e3b24c2cb724be982");
});
