/**
 * The conformance suite of bindings on `env`: what every one of them owes a program, in every engine, through a real server.
 *
 * A binding's test calls `describeEnvBinding` with two pieces of code, one that keeps a text and one that finds it; the
 * suite gives them to functions, programs, plans and projects that may and that may not. An engine joins by one line.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, functionPath } from "./control_client.ts";
import { startTestServer, type TestServer } from "./server.ts";

/** A binding under test. */
export interface EnvBindingSubject {
  readonly type: string;
  /** Keys that must stand beside `type`, `name` and `mode`. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** Body of an async function of `B`, what stands on `env`, `id` and `text`: keeps the text under the id. */
  readonly write: string;
  /** Body of an async function of `B` and `id`: returns the text, or null. */
  readonly read: string;
}

type Say = (name: string, more?: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
type Query = Readonly<Record<string, string>>;

interface Engine {
  readonly name: string;
  readonly file: string;
  readonly contentType: string;
  /** Whether a program goes on after its answer. */
  readonly outlives: boolean;
  /** The types of bindings that its programs have; all of them when left out. */
  readonly types?: readonly string[];
  /** A function that answers `?do=write|read|kind|later|told` as JSON. */
  code(subject: EnvBindingSubject): string | Uint8Array<ArrayBuffer>;
}

/** The engines whose programs have bindings on `env`. */
const ENGINES: readonly Engine[] = [
  { name: "script", file: "f.js", contentType: "text/javascript", outlives: true, code: scriptCode },
  {
    ...{ name: "wasm", file: "f.wasm", contentType: "application/wasm", outlives: false, types: ["kv", "sql", "blob"] },
    code: () => new Uint8Array(readFileSync(join(import.meta.dir, "wasm_bindings.wasm"))),
  },
];

function scriptCode({ write, read }: EnvBindingSubject): string {
  return `
    const write = async (B, id, text) => { ${write} };
    const read = async (B, id) => { ${read} };
    const told = (call) => call.then((value) => ({ value: value ?? null }), (error) => ({
      code: error.code, isError: error instanceof Error, message: error.message,
    }));
    let later, goOn;
    export default async (request, env) => {
      const { searchParams } = new URL(request.url);
      const [what, id, text] = ["do", "id", "text"].map((name) => searchParams.get(name));
      if (what === "kind") return Response.json({ value: typeof env.B });
      if (what === "write") return Response.json(await told(write(env.B, id, text)));
      if (what === "read") return Response.json(await told(read(env.B, id)));
      if (what === "later") {
        later = told(new Promise((resolve) => { goOn = resolve; }).then(() => read(env.B, id)));
        return Response.json({});
      }
      goOn();
      return Response.json(await later);
    };
  `;
}

/** Declares the suite. */
export function describeEnvBinding(subject: EnvBindingSubject): void {
  const engines = ENGINES.filter(({ types }) => types === undefined || types.includes(subject.type));
  for (const engine of engines) describe(`env ${subject.type}, engine ${engine.name}`, () => declare(subject, engine));
}

function declare(subject: EnvBindingSubject, engine: Engine): void {
  const { type, options = {} } = subject;
  const code = engine.code(subject);
  const said: Say = (name, more = {}) => ({ type, name, ...options, ...more });
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ files: { [engine.file]: code }, config: configOf(said, engine.file) });
  });
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  const call = async (name: string, query: Query) =>
    (await fetch(`${server.url}/${name}?${new URLSearchParams(query)}`)).json() as Promise<Record<string, unknown>>;
  const run = async (query: Query) =>
    (
      await fetch(`${server.url}/run?${new URLSearchParams(query)}`, {
        ...{ method: "POST", body: code, headers: { "content-type": engine.contentType } },
      })
    ).json();
  const deployAs = (name: string, project: string, more: object) =>
    ask(server, "POST", functionPath(name, "/deploy", project), {
      ...{ engine: engine.name, entry: engine.file, ...more },
      files: [{ path: engine.file, contentBase64: Buffer.from(code).toString("base64") }],
    });
  const deployed = async (project: string) => {
    const settings = { bindings: { B: said("one") } };
    const routes = [{ route: `GET /${project}` }];
    const { status } = await deployAs("f", project, { settings, routes });
    expect(status).toBe(200);
  };

  test("what a function keeps is there for another that names the same, and under no other name", async () => {
    expect(await call("one", { do: "read", id: "a" })).toEqual({ value: null });
    expect(await call("one", { do: "write", id: "a", text: "kept" })).not.toHaveProperty("code");
    expect(await call("one", { do: "read", id: "a" })).toEqual({ value: "kept" });
    expect(await call("reader", { do: "read", id: "a" })).toEqual({ value: "kept" });
    expect(await call("two", { do: "read", id: "a" })).toEqual({ value: null });
  });

  test("who may only read changes nothing, and is told so by an Error with a code", async () => {
    await call("one", { do: "write", id: "m", text: "kept" });
    const refusal = await call("reader", { do: "write", id: "m", text: "other" });
    expect(refusal).toMatchObject({ code: "binding_denied", isError: true });
    expect(await call("one", { do: "read", id: "m" })).toEqual({ value: "kept" });
  });

  test("a program has what its caller's plan gives, and without that nothing", async () => {
    await call("one", { do: "write", id: "p", text: "kept" });
    expect(await run({ do: "read", id: "p" })).toEqual({ value: "kept" });
    expect(await run({ do: "write", id: "p", text: "other" })).toMatchObject({ code: "binding_denied" });
    expect(await call("none", { do: "kind" })).toEqual({ value: "undefined" });
  });

  // The stack of a module ends with its invocation.
  if (engine.outlives)
    test("a call that outlives its invocation is refused", async () => {
      await call("one", { do: "write", id: "l", text: "kept" });
      await call("single", { do: "later", id: "l" });
      expect(await call("single", { do: "told" })).toMatchObject({ code: "binding_denied" });
    });

  test("a project reaches nothing of another one, and its data goes with it", async () => {
    await call("one", { do: "write", id: "x", text: "default's" });
    for (const project of ["p1", "p2"]) {
      expect((await ask(server, "POST", "/v1/projects", { name: project })).status).toBe(201);
      await deployed(project);
      expect(await call(project, { do: "read", id: "x" })).toEqual({ value: null });
      await call(project, { do: "write", id: "x", text: project });
    }
    expect(await call("p1", { do: "read", id: "x" })).toEqual({ value: "p1" });
    expect(await call("one", { do: "read", id: "x" })).toEqual({ value: "default's" });
    await ask(server, "DELETE", functionPath("f", "", "p1"));
    expect((await ask(server, "DELETE", "/v1/projects/p1")).status).toBeLessThan(300);
    expect((await ask(server, "POST", "/v1/projects", { name: "p1" })).status).toBe(201);
    await deployed("p1");
    expect(await call("p1", { do: "read", id: "x" })).toEqual({ value: null });
    expect(await call("p2", { do: "read", id: "x" })).toEqual({ value: "p2" });
  });

  test("a deploy that declares it wrongly is refused by name", async () => {
    const refusals = [
      [{ egress: said("one") }, "bindings"],
      [{ B: said("no/name") }, "bindings.B.name"],
      [{ B: said("one", { mode: "all" }) }, "mode"],
      [{ B: said("one", { nonsense: 1 }) }, "nonsense"],
    ] as const;
    for (const [bindings, named] of refusals) {
      const { status, body } = await deployAs("wrong", "default", { settings: { bindings } });
      expect([status, body.error.message]).toEqual([400, expect.stringContaining(named)]);
    }
  });
}

/** The functions of the suite: what each has as `B`. */
function configOf(said: Say, file: string): string {
  const functions = Object.entries({
    one: said("one"),
    reader: said("one", { mode: "read" }),
    two: said("two"),
    single: said("one"),
    none: undefined,
  });
  const tables = functions.map(([name, declared]) => {
    const bindings = declared && `\n[functions.bindings]\nB = ${toToml(declared)}`;
    const limits = name === "single" ? "\ninstances = 1" : "";
    return `[[functions]]\nname = "${name}"\npath = "./${file}"\nroutes = ["GET /${name}"]${limits}${bindings ?? ""}`;
  });
  return `[plans.anonymous.bindings]\nB = ${toToml(said("one", { mode: "read" }))}\n${tables.join("\n")}\n`;
}

function toToml(values: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return `{ ${pairs.join(", ")} }`;
}
