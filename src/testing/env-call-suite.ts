/**
 * The conformance suite of bindings on `env` that carry something to a function: what each of them owes a program, in every
 * engine, through a real server.
 *
 * A binding's test calls `describeEnvCall` with the code that sends a text in each language. Who is to get it is the function
 * `keeper`, which is bound by its own name or by that of a queue of which it is the consumer.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ask, functionPath } from "./control_client.ts";
import { ENV_ENGINES, type EnvCode, type EnvEngine } from "./env_engines.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { settled } from "./websocket_client.ts";

/** A binding under test. */
export interface EnvCallSubject {
  readonly type: string;
  /** Body of an async function of `B`, what stands on `env`, and `text`. */
  readonly script: string;
  /** Body of a function of `text`, where `B(method, path, body)` is a call. */
  readonly python: string;
  /** What the program has of sending a text. */
  answerOf(text: string): string | null;
  /** What a program is told who sends to a `keeper` that its project does not have; undefined where that is no error. */
  readonly nobody: string | undefined;
}

/** A call starts two instances, one after the other, on machines that do much else. */
const PATIENT = "limits = { wall_ms = 40000 }";

type Query = Readonly<Record<string, string>>;

/** Says `got TEXT` to who asks, remembers it, and what came by the queue. */
const KEEPER = `const seen = [];
export default {
  fetch(request) {
    const text = new URL(request.url).searchParams.get("text");
    if (text === null) return Response.json(seen);
    seen.push(text);
    return new Response("got " + text);
  },
  queue(batch) { for (const { body } of batch.messages) seen.push(body); },
};`;

/** Declares the suite, for every engine that has the binding. */
export function describeEnvCall(subject: EnvCallSubject): void {
  for (const engine of ENV_ENGINES.filter(({ types }) => types?.includes(subject.type) ?? true))
    describe(`env ${subject.type}, engine ${engine.name}`, () => declare(subject, engine));
}

function declare(subject: EnvCallSubject, engine: EnvEngine): void {
  const { type, answerOf } = subject;
  const program = engine.program(codeOf(subject, engine));
  const bound = { type, name: "keeper" };
  let server: TestServer;

  beforeAll(async () => {
    const files = { ...program.files, "keeper.js": KEEPER };
    server = await startTestServer({ files, config: configOf(program.table, type) });
  }, 30_000);
  afterAll(async () => await server?.[Symbol.asyncDispose]());

  const call = async (name: string, query: Query) =>
    (await fetch(`${server.url}/${name}?${new URLSearchParams(query)}`)).json() as Promise<Record<string, unknown>>;
  const seen = async () => (await (await fetch(`${server.url}/keeper`)).json()) as readonly string[];
  const arrived = (text: string) =>
    settled(`"${text}" at the keeper`, async () => {
      const texts = await seen();
      return texts.includes(text) ? texts : undefined;
    });
  const deploy = (name: string, project: string, more: object) =>
    ask(server, "POST", functionPath(name, "/deploy", project), { ...program.deploy, ...more });

  test("what a function sends arrives, and it has the answer", async () => {
    expect(await call("one", { do: "write", id: "-", text: "sent" })).toEqual({ value: answerOf("sent") });
    expect((await arrived("sent")).filter((each) => each === "sent")).toEqual(["sent"]);
  });

  test("who is given nothing has nothing", async () => {
    expect(await call("none", { do: "kind" })).toEqual({ value: "undefined" });
  });

  test.skipIf(program.sent === undefined)("a program has what its caller's plan gives", async () => {
    const answer = await fetch(`${server.url}/run?do=write&text=planned`, {
      ...{ method: "POST", body: program.sent ?? "" },
      headers: { "content-type": "text/typescript", ...program.sentHeaders },
    });
    expect(await answer.json()).toEqual({ value: answerOf("planned") });
    await arrived("planned");
  });

  // The stack of a module ends with its invocation, and its calls with it.
  test.skipIf(engine.calls === undefined)("a call that outlives its invocation is refused", async () => {
    await call("single", { do: "later", id: "later" });
    let told = await call("single", { do: "told" });
    // A program asks on and on: it needs a while without an invocation, which is longer each time.
    for (let ms = 10; engine.calls === "of-running" && told["code"] !== "binding_denied"; ms *= 2) {
      await new Promise<void>((resolve) => void setTimeout(resolve, ms));
      told = await call("single", { do: "told" });
    }
    expect(told).toMatchObject({ code: "binding_denied", isError: true });
  });

  test("another project's functions reach nobody of this one", async () => {
    expect((await ask(server, "POST", "/v1/projects", { name: "p1" })).status).toBe(201);
    const deployed = await deploy("f", "p1", { settings: { bindings: { B: bound } }, routes: [{ route: "GET /p1" }] });
    expect(deployed.status).toBe(200);
    const told = await call("p1", { do: "write", id: "-", text: "astray" });
    if (subject.nobody === undefined) expect(told).toEqual({ value: answerOf("astray") });
    else expect(told).toMatchObject({ code: subject.nobody, isError: true });
    await call("one", { do: "write", id: "-", text: "behind" });
    expect(await arrived("behind")).not.toContain("astray");
  });

  test("a deploy that declares it wrongly is refused by name", async () => {
    const refusals = [
      [{ egress: bound }, "bindings"],
      [{ B: { ...bound, name: "no/name" } }, "bindings.B.name"],
      [{ B: { ...bound, mode: "read" } }, "mode"],
      [{ B: { ...bound, nonsense: 1 } }, "nonsense"],
    ] as const;
    for (const [bindings, named] of refusals) {
      const { status, body } = await deploy("wrong", "default", { settings: { bindings } });
      expect([status, body.error.message]).toEqual([400, expect.stringContaining(named)]);
    }
  });
}

/** Sending is what is kept, and what is asked for again once the invocation is over. */
function codeOf(subject: EnvCallSubject, { language }: EnvEngine): EnvCode {
  const send = subject[language];
  return { write: send, read: language === "python" ? `text = id\n${send}` : `const text = id; ${send}` };
}

/** The functions of the suite. */
function configOf(table: string, type: string): string {
  const declared = `B = { type = "${type}", name = "keeper" }`;
  const functions = ["one", "single", "none"].map((name) => {
    const bindings = name === "none" ? "" : `\n[functions.bindings]\n${declared}`;
    const limits = `\n${PATIENT}${name === "single" ? "\ninstances = 1" : ""}`;
    return `[[functions]]\nname = "${name}"\n${table}\nroutes = ["GET /${name}"]${limits}${bindings}\n`;
  });
  const keeper = `[[functions]]\nname = "keeper"\npath = "./keeper.js"\nroutes = ["GET /keeper"]\ninstances = 1\n${PATIENT}\n`;
  const consumer = type === "queue" ? `[[consumers]]\nqueue = "keeper"\nfunction = "keeper"\n` : "";
  return `[plans.anonymous.bindings]\n${declared}\n${functions.join("")}${keeper}${consumer}`;
}
