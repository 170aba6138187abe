/** Invocations by AWS's own client: what a function is given, what comes back, and what ends it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  CreateAliasCommand,
  CreateFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  InvokeCommand,
  type InvokeCommandInput,
  InvokeWithResponseStreamCommand,
  type InvokeWithResponseStreamCommandInput,
  type LambdaClient,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  type Runtime,
  TooManyRequestsException,
  UpdateFunctionCodeCommand,
} from "@aws-sdk/client-lambda";
import { accountIdOf } from "../../core/account.ts";
import { deploy } from "../../testing/control_client.ts";
import { ECHO, failed, lambdaClient, makeKey, payloadOf } from "../../testing/lambda_rig.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { zipOf } from "../../testing/zip_maker.ts";

/** Does what its event says. */
const HANDLER = `
  const { pipeline } = require("node:stream/promises");
  const { Readable } = require("node:stream");
  let running = 0, most = 0;
  class Own extends Error { constructor(m) { super(m); this.name = "OwnError"; } }
  exports.handler = async (event, context) => {
    most = Math.max(most, ++running);
    try {
      if (event.log) for (let n = 0; n < event.log; n += 1) console.log("line " + n + " " + "x".repeat(50));
      if (event.throw) throw new Own(event.throw);
      if (event.big) return "x".repeat(event.big);
      if (event.spin) for (;;);
      if (event.sleep) await new Promise((resolve) => setTimeout(resolve, event.sleep));
      if (event.exit) process.exit(7);
      return { event, version: context.functionVersion, most, env: process.env.GREETING };
    } finally { running -= 1; }
  };
  exports.nothing = async () => {};
  exports.back = (event, context, callback) => { setTimeout(() => event.fail ? callback(new Own("no")) : callback(null, { back: event }), 1); };
  exports.stream = awslambda.streamifyResponse(async (event, stream) => {
    stream.setContentType("text/plain");
    if (event.early) throw new Own("early");
    await pipeline(Readable.from((async function* () {
      yield "first;";
      if (event.late) { await new Promise((resolve) => setTimeout(resolve, 50)); throw new Own("late"); }
      yield "y".repeat(event.bytes ?? 1);
    })()), stream);
  });
`;

let server: TestServer;
let client: LambdaClient;
beforeAll(async () => {
  server = await startTestServer({
    config: `[[functions]]\nname = "filed"\npath = "./filed.js"\n`,
    files: { "filed.js": "export default async (request) => Response.json({ filed: await request.json() });" },
  });
  client = lambdaClient(server, (await makeKey(server)).aws);
  const zip = zipOf({ "index.js": HANDLER, "echo.js": ECHO });
  for (const [FunctionName, Handler] of [
    ["works", "index.handler"],
    ["nothing", "index.nothing"],
    ["back", "index.back"],
    ["streams", "index.stream"],
    ["echo", "echo.handler"],
  ] as const) {
    const more = { Runtime: "nodejs22.x" as Runtime, Role: "arn:aws:iam::123456789012:role/r", Code: { ZipFile: zip } };
    await client.send(
      new CreateFunctionCommand({ FunctionName, Handler, ...more, Environment: { Variables: { GREETING: "hi" } } }),
    );
  }
});
afterAll(async () => {
  client?.destroy();
  await server?.[Symbol.asyncDispose]();
});

const invoke = (FunctionName: string, event?: unknown, more: Partial<InvokeCommandInput> = {}) =>
  client.send(
    new InvokeCommand({ FunctionName, ...(event !== undefined && { Payload: JSON.stringify(event) }), ...more }),
  );

async function streamed(
  FunctionName: string,
  event: unknown,
  more: Partial<InvokeWithResponseStreamCommandInput> = {},
) {
  const input = { FunctionName, Payload: JSON.stringify(event), ...more };
  const answer = await client.send(new InvokeWithResponseStreamCommand(input));
  let text = "";
  for await (const each of answer.EventStream ?? []) {
    if (each.PayloadChunk?.Payload) text += new TextDecoder().decode(each.PayloadChunk.Payload);
    if (each.InvokeComplete) return { text, answer, end: each.InvokeComplete };
  }
  throw new Error("The stream has no end");
}

/** A log of one line. */
const REPORT =
  /^START RequestId: (\w+) Version: \$LATEST\n(.*)\nEND RequestId: \1\nREPORT RequestId: \1\tDuration: ([\d.]+) ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\n$/;
const logOf = ({ LogResult = "" }: { readonly LogResult?: string | undefined }) =>
  Buffer.from(LogResult, "base64").toString();

describe("a handler", () => {
  test("gets the event and the context, and its result is the payload", async () => {
    const context = Buffer.from(JSON.stringify({ custom: { a: "ü" } })).toString("base64");
    const answer = await invoke("echo", { a: [1, "ü", null] }, { ClientContext: context });
    expect([answer.StatusCode, answer.ExecutedVersion, answer.FunctionError]).toEqual([200, "$LATEST", undefined]);
    const said = payloadOf<{ event: unknown; context: Record<string, unknown> }>(answer);
    expect(said.event).toEqual({ a: [1, "ü", null] });
    expect(said.context).toMatchObject({
      ...{ functionName: "echo", functionVersion: "$LATEST", memoryLimitInMB: "128" },
      ...{ invokedFunctionArn: `arn:aws:lambda:eu-central-1:${accountIdOf("default")}:function:echo` },
      ...{ awsRequestId: answer.$metadata.requestId, clientContext: { custom: { a: "ü" } } },
    });
    expect(said.context["left"]).toBeGreaterThan(0);
  });

  test("without a payload gets an empty event; without a result answers null", async () => {
    expect(payloadOf<{ event: unknown }>(await invoke("echo")).event).toEqual({});
    expect(payloadOf(await invoke("nothing"))).toBe(null);
    expect(payloadOf(await invoke("back", 7))).toEqual({ back: 7 });
    expect(payloadOf<{ env: string }>(await invoke("works", {})).env).toBe("hi");
  });

  test("that throws is an answer of 200 that says what it threw, and where", async () => {
    const answer = await invoke("works", { throw: "no: really" });
    expect([answer.StatusCode, answer.FunctionError]).toEqual([200, "Unhandled"]);
    const said = payloadOf<{ errorType: string; errorMessage: string; trace: string[] }>(answer);
    expect(said).toMatchObject({ errorType: "OwnError", errorMessage: "no: really" });
    expect(said.trace.join()).toContain("index.js");
    expect(payloadOf(await invoke("back", { fail: true }))).toMatchObject({ errorType: "OwnError" });
  });

  test.each([
    [{ sleep: 60_000 }, "Sandbox.Timedout", /RequestId: \w+ Error: Task timed out after 3.00 seconds/],
    [{ spin: true }, "Sandbox.Timedout", /Task timed out/],
    [{ exit: true }, "Runtime.ExitError", /RequestId: \w+ Error: /],
    [{ big: 6 * 1024 * 1024 }, "Function.ResponseSizeTooLarge", /exceeded maximum allowed payload size/],
  ])(
    "%o is named as AWS names it",
    async (event, errorType, errorMessage) => {
      const answer = await invoke("works", event, { LogType: "Tail" });
      expect(answer.FunctionError).toBe("Unhandled");
      const said = payloadOf<{ errorType: string; errorMessage: string }>(answer);
      expect(said.errorType).toBe(errorType);
      expect(said.errorMessage).toMatch(errorMessage);
      // The log has the message, and what it took, as that of a success has.
      const [, id = "", line, durationMs] = REPORT.exec(logOf(answer)) ?? [logOf(answer)];
      expect(line).toBe(said.errorMessage.replace(`RequestId: ${id} Error: `, ""));
      expect(Number(durationMs)).toBeGreaterThanOrEqual("sleep" in event || "spin" in event ? 2900 : 0.01);
    },
    20_000,
  );

  test("runs one invocation of an instance at a time", async () => {
    const answers = await Promise.all(Array.from({ length: 64 }, (_, n) => invoke("works", { n, sleep: 5 })));
    const said = answers.map((each) => payloadOf<{ event: { n: number }; most: number }>(each));
    expect(said.map(({ event }) => event.n)).toEqual(Array.from({ length: 64 }, (_, n) => n));
    expect(said.every(({ most }) => most === 1)).toBe(true);
  }, 30_000);

  test("answers 6 MiB less its quotes, and is given 6 MiB", async () => {
    const most = 6 * 1024 * 1024;
    expect((await invoke("works", { big: most - 2 })).Payload?.length).toBe(most);
    const Payload = JSON.stringify("x".repeat(most - 2));
    const said = await client.send(new InvokeCommand({ FunctionName: "nothing", Payload }));
    expect(payloadOf(said)).toBe(null);
    const error = await failed(client.send(new InvokeCommand({ FunctionName: "nothing", Payload: `${Payload} ` })));
    expect([error.name, error.$metadata?.httpStatusCode]).toEqual(["RequestTooLargeException", 413]);
  }, 30_000);
});

describe("what is told beside the payload", () => {
  test("the last 4 KB of the log", async () => {
    const { LogResult = "" } = await invoke("works", { log: 200 }, { LogType: "Tail" });
    const log = Buffer.from(LogResult, "base64");
    expect(log.length).toBe(4096);
    expect(log.toString()).toMatch(/line 199 x+\nEND RequestId: \w+\nREPORT RequestId: \w+\tDuration: [\d.]+ ms/);
    expect(log.toString()).toMatch(/\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\n$/);
    expect((await invoke("works", { log: 1 })).LogResult).toBeUndefined();
    const thrown = logOf(await invoke("works", { log: 1, throw: "x" }, { LogType: "Tail" }));
    expect(thrown).toMatch(/\nline 0 x+\nOwnError: x\nEND RequestId: /);
    const fetched = logOf(await invoke("filed", "no object", { LogType: "Tail" }));
    expect(fetched).toMatch(/\tMemory Size: 128 MB\t/);
  });

  test("which version answered, by its number, through names of every form", async () => {
    const { Version } = await client.send(new PublishVersionCommand({ FunctionName: "echo" }));
    await client.send(new CreateAliasCommand({ FunctionName: "echo", Name: "live", FunctionVersion: Version }));
    const zip = zipOf({ "echo.js": `${ECHO} // anew` });
    await client.send(new UpdateFunctionCodeCommand({ FunctionName: "echo", ZipFile: zip }));
    const account = accountIdOf("default");
    const arn = `arn:aws:lambda:eu-central-1:${account}:function:echo`;
    for (const [name, qualifier, executed] of [
      ["echo", undefined, "$LATEST"],
      ["echo", "$LATEST", "$LATEST"],
      ["echo", "1", "1"],
      ["echo", "live", "1"],
      ["echo:live", undefined, "1"],
      ["echo:1", "1", "1"],
      [`${account}:function:echo`, "1", "1"],
      [`${account}:function:echo:live`, undefined, "1"],
      [arn, undefined, "$LATEST"],
      [`${arn}:live`, undefined, "1"],
    ] as const) {
      const answer = await invoke(name, {}, qualifier === undefined ? {} : { Qualifier: qualifier });
      expect([name, qualifier, answer.ExecutedVersion]).toEqual([name, qualifier, executed]);
    }
    const dry = await invoke("echo", {}, { InvocationType: "DryRun", Qualifier: "live" });
    expect([dry.StatusCode, dry.ExecutedVersion]).toEqual([204, "1"]);
  });
});

describe("a function of no handler", () => {
  test("gets the payload as a POST, and what it answers is the payload", async () => {
    const code = `export default async (request, env, ctx) =>
      Response.json([request.method, request.headers.get("content-type"), await request.json(), ctx.args.lambda.functionName]);`;
    await deploy(server, "plain", code);
    expect(payloadOf(await invoke("plain", { a: 1 }))).toEqual(["POST", "application/json", { a: 1 }, "plain"]);
    expect(payloadOf(await invoke("filed", { a: 2 }))).toEqual({ filed: { a: 2 } });
  });

  test("that answers an error has handled it", async () => {
    await deploy(server, "refuses", `export default () => new Response("gone away", { status: 410 });`);
    const answer = await invoke("refuses");
    expect([answer.StatusCode, answer.FunctionError]).toEqual([200, "Handled"]);
    expect(payloadOf(answer)).toEqual({ errorType: "HttpStatus410", errorMessage: "gone away" });
    await deploy(server, "refuses", `export default () => Response.json({ errorMessage: "x" }, { status: 500 });`);
    expect(payloadOf(await invoke("refuses"))).toEqual({ errorMessage: "x" });
  });
});

describe("a streamed answer", () => {
  test("comes in chunks, whatever the function is", async () => {
    const { text, end, answer } = await streamed("streams", { bytes: 300_000 }, { LogType: "Tail" });
    expect(text).toBe(`first;${"y".repeat(300_000)}`);
    expect([answer.ExecutedVersion, answer.ResponseStreamContentType]).toEqual([
      "$LATEST",
      "application/vnd.amazon.eventstream",
    ]);
    expect(end.ErrorCode).toBeUndefined();
    expect(Buffer.from(end.LogResult ?? "", "base64").toString()).toContain("REPORT RequestId");
    expect((await streamed("filed", 1)).text).toBe('{"filed":1}');
    expect((await streamed("echo", { a: 1 })).text).toContain('"event":{"a":1}');
  });

  test("says in its last event how it failed, before the first chunk or after it", async () => {
    const early = await streamed("streams", { early: true }, { LogType: "Tail" });
    expect([early.text, early.end.ErrorCode]).toEqual(["", "OwnError"]);
    expect(early.end.ErrorDetails).toContain("early");
    expect(REPORT.exec(logOf(early.end))?.slice(2)).toEqual(["OwnError: early", expect.stringMatching(/[1-9]/)]);
    const late = await streamed("streams", { late: true });
    expect(late.text).toBe("first;");
    expect(late.end.ErrorCode).toBeDefined();
  });
});

test("who hangs up ends the invocation, streamed or not", async () => {
  await deploy(
    server,
    "endless",
    `export default () => new Response(new ReadableStream({ async pull(to) { await Bun.sleep(5); to.enqueue(new Uint8Array([1])); } }));`,
  );
  const running = async () =>
    ((await (await server.admin("/status")).json()) as { pool: { invocations: number } }).pool.invocations;
  const until = async (count: number) => {
    while ((await running()) !== count) await new Promise((resolve) => setImmediate(resolve));
  };
  await until(0);
  const gone = new AbortController();
  const waiting = failed(client.send(new InvokeCommand({ FunctionName: "endless" }), { abortSignal: gone.signal }));
  await until(1);
  gone.abort();
  expect((await waiting).name).toBe("AbortError");
  await until(0);
  const answer = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: "endless" }));
  for await (const { PayloadChunk } of answer.EventStream ?? []) if (PayloadChunk) break;
  await until(0);
});

describe("what is refused", () => {
  test.each<[string, Partial<InvokeCommandInput>, string, number]>([
    ["missing", {}, "ResourceNotFoundException", 404],
    ["echo", { Qualifier: "99" }, "ResourceNotFoundException", 404],
    ["echo", { Qualifier: "nobody" }, "ResourceNotFoundException", 404],
    ["echo:live", { Qualifier: "1" }, "InvalidParameterValueException", 400],
    ["arn:aws:s3:::bucket", {}, "InvalidParameterValueException", 400],
    [`arn:aws:lambda:eu-central-1:${accountIdOf("other")}:function:echo`, {}, "ResourceNotFoundException", 404],
    ["../../etc", {}, "InvalidParameterValueException", 400],
    ["echo", { Payload: "{" }, "InvalidRequestContentException", 400],
    ["echo", { Payload: new Uint8Array([34, 255, 34]) }, "InvalidRequestContentException", 400],
    ["echo", { ClientContext: `e30${"A".repeat(4000)}` }, "InvalidRequestContentException", 400],
    ["echo", { ClientContext: "!!!" }, "InvalidRequestContentException", 400],
    ["echo", { InvocationType: "Soon" as never }, "InvalidParameterValueException", 400],
    ["echo", { LogType: "All" as never }, "InvalidParameterValueException", 400],
    ["echo", { InvocationType: "Event", Payload: `"${"x".repeat(256 * 1024)}"` }, "RequestTooLargeException", 413],
  ])("%s %o", async (name, more, type, status) => {
    const error = await failed(invoke(name, undefined, more));
    expect([error.name, error.$metadata?.httpStatusCode]).toEqual([type, status]);
    expect(error.message).not.toBe("");
  });

  test("what a body is said to be, when it is not JSON", async () => {
    const answer = await server.admin("/2015-03-31/functions/echo/invocations", {
      ...{ method: "POST", headers: { "content-type": "text/html" }, body: "{}" },
    });
    expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([415, "UnsupportedMediaTypeException"]);
    expect(await answer.json()).toMatchObject({ Type: "User", Message: expect.stringContaining("text/html") });
  });

  test("more than is reserved, whichever way it is called, and all of it when that is none", async () => {
    await deploy(server, "slow", `export default async () => { await Bun.sleep(200); return new Response("1"); };`, {
      routes: ["GET /slow"],
    });
    await client.send(new PutFunctionConcurrencyCommand({ FunctionName: "slow", ReservedConcurrentExecutions: 2 }));
    const answers = await Promise.all(Array.from({ length: 6 }, () => failed(invoke("slow"))));
    const refused = answers.filter((each) => each instanceof TooManyRequestsException);
    expect(refused.length).toBe(4);
    expect(refused[0]).toMatchObject({
      Reason: "ReservedFunctionConcurrentInvocationLimitExceeded",
      retryAfterSeconds: "1",
    });
    await client.send(new PutFunctionConcurrencyCommand({ FunctionName: "slow", ReservedConcurrentExecutions: 0 }));
    expect((await failed(invoke("slow"))).name).toBe("TooManyRequestsException");
    expect((await fetch(`${server.url}/slow`)).status).toBe(429);
    await client.send(new DeleteFunctionConcurrencyCommand({ FunctionName: "slow" }));
    expect(payloadOf(await invoke("slow"))).toBe(1);
  });

  test("more than the plan of the key allows, and its limits hold here as well", async () => {
    const { aws } = await makeKey(server, { plan: await planOf(server) });
    const slow = lambdaClient(server, aws);
    try {
      const call = (event: unknown) =>
        slow.send(new InvokeCommand({ FunctionName: "works", Payload: JSON.stringify(event) }));
      const answers = await Promise.all(Array.from({ length: 3 }, () => failed(call({ sleep: 100 }))));
      expect(answers.filter(({ name }) => name === "TooManyRequestsException").length).toBe(2);
      expect(payloadOf(await call({ sleep: 60_000 }))).toMatchObject({
        errorMessage: expect.stringContaining("timed out after 0.50 seconds"),
      });
    } finally {
      slow.destroy();
    }
  });
});

/** One at a time, and half a second. */
async function planOf({ admin }: TestServer): Promise<string> {
  const plan = { limits: { concurrencyMax: 1, wallMs: 500 } };
  await admin("/v1/plans/small", { method: "PUT", body: JSON.stringify(plan) });
  return "small";
}
