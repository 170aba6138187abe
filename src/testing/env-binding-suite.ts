/**
 * The conformance suite of bindings on `env`: what every one of them owes a program, in every engine, through a real server.
 *
 * A binding's test calls `describeEnvBinding` with two pieces of code for each engine, one that keeps a text and one that
 * finds it; the suite gives them to functions, programs, plans and projects that may and that may not.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, functionPath } from "./control_client.ts";
import { ENV_ENGINES, type EnvCode, type EnvEngine } from "./env_engines.ts";
import { startTestServer, type TestServer } from "./server.ts";

/** A binding under test. */
export interface EnvBindingSubject {
  readonly type: string;
  /** Keys that must stand beside `type`, `name` and `mode`. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** Bodies of async functions of `B`, what stands on `env`, `id` and `text`. */
  readonly script: EnvCode;
  /** Bodies of functions of `id` and `text`, where `B(method, path, body)` is a call. */
  readonly python: EnvCode;
}

type Say = (name: string, more?: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
type Query = Readonly<Record<string, string>>;

/** Declares the suite, for every engine. */
export function describeEnvBinding(subject: EnvBindingSubject): void {
  for (const engine of ENV_ENGINES.filter(({ types }) => types?.includes(subject.type) ?? true))
    describe(`env ${subject.type}, engine ${engine.name}`, () => declare(subject, engine));
}

function declare(subject: EnvBindingSubject, engine: EnvEngine): void {
  const { type, options = {} } = subject;
  const program = engine.program(subject[engine.language]);
  const said: Say = (name, more = {}) => ({ type, name, ...options, ...more });
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ files: program.files, config: configOf(program.table, said) });
  }, 30_000);
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  const call = async (name: string, query: Query) =>
    (await fetch(`${server.url}/${name}?${new URLSearchParams(query)}`)).json() as Promise<Record<string, unknown>>;
  const run = async (query: Query) =>
    (
      await fetch(`${server.url}/run?${new URLSearchParams(query)}`, {
        ...{ method: "POST", body: program.sent ?? "" },
        headers: { "content-type": "text/typescript", ...program.sentHeaders },
      })
    ).json();
  const deploy = (name: string, project: string, more: object) =>
    ask(server, "POST", functionPath(name, "/deploy", project), { ...program.deploy, ...more });
  const deployed = async (project: string) => {
    const settings = { bindings: { B: said("one") } };
    const { status } = await deploy("f", project, { settings, routes: [{ route: `GET /${project}` }] });
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

  test("who is given nothing has nothing", async () => {
    expect(await call("none", { do: "kind" })).toEqual({ value: "undefined" });
  });

  test.skipIf(program.sent === undefined)("a program has what its caller's plan gives", async () => {
    await call("one", { do: "write", id: "p", text: "kept" });
    expect(await run({ do: "read", id: "p" })).toEqual({ value: "kept" });
    expect(await run({ do: "write", id: "p", text: "other" })).toMatchObject({ code: "binding_denied" });
  });

  // The stack of a module ends with its invocation, and its calls with it.
  test.skipIf(engine.calls === undefined)("a call that outlives its invocation is refused", async () => {
    await call("one", { do: "write", id: "l", text: "kept" });
    await call("single", { do: "later", id: "l" });
    let told = await call("single", { do: "told" });
    // A program asks on and on: it needs a while without an invocation, which is longer each time.
    for (let ms = 10; engine.calls === "of-running" && told["code"] !== "binding_denied"; ms *= 2) {
      await new Promise<void>((resolve) => void setTimeout(resolve, ms));
      told = await call("single", { do: "told" });
    }
    expect(told).toMatchObject({ code: "binding_denied" });
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
      const { status, body } = await deploy("wrong", "default", { settings: { bindings } });
      expect([status, body.error.message]).toEqual([400, expect.stringContaining(named)]);
    }
  });
}

/** The functions of the suite: what each has as `B`. */
function configOf(table: string, said: Say): string {
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
    return `[[functions]]\nname = "${name}"\n${table}\nroutes = ["GET /${name}"]${limits}${bindings ?? ""}`;
  });
  return `[plans.anonymous.bindings]\nB = ${toToml(said("one", { mode: "read" }))}\n${tables.join("\n")}\n`;
}

function toToml(values: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return `{ ${pairs.join(", ")} }`;
}
