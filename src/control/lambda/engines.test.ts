/** AWS's client invokes functions of every engine, and nobody without a signature unless the plan allows it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  InvokeCommand,
  InvokeWithResponseStreamCommand,
  type LambdaClient,
  type LogType,
} from "@aws-sdk/client-lambda";
import { saying } from "../../testing/control_client.ts";
import { lambdaClient, makeKey, payloadOf } from "../../testing/lambda_rig.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

/** Streams when it is asked to, and fails; else answers its event and context. */
const BOOTSTRAP = `#!/usr/bin/python3
import http.client, json, os, socket
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
BASE = "/2018-06-01/runtime/invocation/"
def call(method, path, body=None, headers={}):
    api.request(method, path, body, headers, encode_chunked="Transfer-Encoding" in headers)
    answer = api.getresponse()
    return answer.headers, answer.read()
while True:
    headers, event = call("GET", BASE + "next")
    at = BASE + headers["Lambda-Runtime-Aws-Request-Id"]
    said = json.loads(event)
    print("called with", event.decode(), flush=True)
    if isinstance(said, dict) and said.get("fail"):
        call("POST", at + "/error", json.dumps({"errorType": "Mine", "errorMessage": "as asked", "stackTrace": ["here"]}))
    elif isinstance(said, dict) and said.get("parts"):
        parts = ("part %d;" % n for n in range(said["parts"]))
        call("POST", at + "/response", (part.encode() for part in parts), {"Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked", "Content-Type": "text/plain"})
    elif isinstance(said, dict) and "text" in said:
        call("POST", at + "/response", said["text"])
    else:
        context = json.loads(headers.get("Lambda-Runtime-Client-Context") or "null")
        call("POST", at + "/response", json.dumps({"event": said, "context": context, "arn": headers["Lambda-Runtime-Invoked-Function-Arn"], "id": headers["Lambda-Runtime-Aws-Request-Id"]}))
`;
const LINES = `#!/bin/sh
while read -r event; do printf '{"lines":%s}\\n' "$event"; done
`;
const WEB = `
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200); self.send_header("content-type", "application/json"); self.end_headers()
        self.wfile.write(b'{"web":' + body + b'}')
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`;

const CONFIG = `
[plans.anonymous]
run = "none"
rate = "1000/s"
unsigned = true

[[functions]]
name = "program"
path = "./program"

[[functions]]
name = "lines"
path = "./lines.sh"
engine = "process"
dialect = "stdio"
event = "json"

[[functions]]
name = "web"
path = "./web"
command = "python3 main.py"
dialect = "http"

[[functions]]
name = "module"
path = "${join(import.meta.dir, "../../../examples/wasm/hello.wasm")}"
export = "hello"

[[functions]]
name = "script"
path = "./script.js"
`;

let server: TestServer;
let client: LambdaClient;
let account = "";
beforeAll(async () => {
  const files = {
    "program/bootstrap": BOOTSTRAP,
    "lines.sh": LINES,
    "web/main.py": WEB,
    "script.js": saying('"script"'),
  };
  server = await startTestServer({ config: CONFIG, files });
  client = lambdaClient(server, (await makeKey(server)).aws);
}, 30_000);
afterAll(async () => {
  client?.destroy();
  await server?.[Symbol.asyncDispose]();
});

const invoke = (FunctionName: string, payload: unknown, more: object = {}) =>
  client.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify(payload), ...more }));

test.each<[string, unknown, unknown]>([
  ["lines", { a: 1 }, { lines: { a: 1 } }],
  ["web", { a: 1 }, { web: { a: 1 } }],
  ["script", {}, "script"],
])("%s is invoked", async (name, payload, expected) => {
  const answer = await invoke(name, payload);
  expect([answer.StatusCode, answer.FunctionError, payloadOf(answer)]).toEqual([200, undefined, expected]);
});

test("a module of WebAssembly is invoked", async () => {
  const { StatusCode, FunctionError, Payload } = await invoke("module", {});
  expect([StatusCode, FunctionError]).toEqual([200, undefined]);
  expect(new TextDecoder().decode(Payload)).not.toBe("");
});

describe("a program", () => {
  test("is told the event, the client context, its name and the request's id, and its log can be had", async () => {
    const ClientContext = Buffer.from('{"custom":{"b":"ü"}}').toString("base64");
    const answer = await invoke("program", [1, "two"], { ClientContext, LogType: "Tail" as LogType });
    const told = payloadOf<{ arn: string }>(answer);
    expect(told).toMatchObject({ event: [1, "two"], context: { custom: { b: "ü" } }, id: answer.$metadata.requestId });
    expect(told.arn).toMatch(/^arn:aws:lambda:eu-central-1:\d{12}:function:program$/);
    account = told.arn.split(":")[4] ?? "";
    const log = Buffer.from(answer.LogResult ?? "", "base64").toString();
    expect(log).toContain('called with [1, "two"]'.replace(", ", ","));
    expect(log).toContain(`END RequestId: ${answer.$metadata.requestId}`);
  });

  test("has what it answers handed over as it is, JSON or not", async () => {
    for (const text of ["Echoing request: 'Hello'", "{not json", ""]) {
      const answer = await invoke("program", { text });
      expect([answer.FunctionError, Buffer.from(answer.Payload ?? []).toString()]).toEqual([undefined, text]);
    }
  });

  test("that fails says so in its own words", async () => {
    const answer = await invoke("program", { fail: true });
    expect([answer.StatusCode, answer.FunctionError]).toEqual([200, "Unhandled"]);
    expect(payloadOf(answer)).toMatchObject({ errorType: "Mine", errorMessage: "as asked" });
  });

  test("streams, and what is no stream comes as one", async () => {
    for (const [payload, expected] of [
      [{ parts: 4 }, "part 0;part 1;part 2;part 3;"],
      [7, '"event": 7'],
    ] as const) {
      const Payload = JSON.stringify(payload);
      const { EventStream } = await client.send(
        new InvokeWithResponseStreamCommand({ FunctionName: "program", Payload }),
      );
      let text = "";
      let end: unknown;
      for await (const event of EventStream ?? []) {
        text += new TextDecoder().decode(event.PayloadChunk?.Payload);
        end = event.InvokeComplete ?? end;
      }
      expect([text, end]).toEqual([expect.stringContaining(expected), {}]);
    }
  });

  test("is not called by a dry run, and is called later by an event", async () => {
    expect((await invoke("program", "dry", { InvocationType: "DryRun" })).StatusCode).toBe(204);
    expect((await invoke("program", "later", { InvocationType: "Event" })).StatusCode).toBe(202);
    const events = await server.admin("/v1/logs?follow=true&function=program&text=later");
    let text = "";
    for await (const chunk of events.body as AsyncIterable<Uint8Array>) {
      text += new TextDecoder().decode(chunk);
      if (text.includes("called with")) break;
    }
    expect(text).toContain('called with \\"later');
  });
});

describe("what nobody has signed", () => {
  const unsigned = (path: string, init: RequestInit = {}) =>
    fetch(`${server.adminUrl}${path}`, { method: "POST", body: "1", ...init });

  test("is invoked where the plan of strangers allows it", async () => {
    const answer = await unsigned("/2015-03-31/functions/program/invocations");
    expect([answer.status, ((await answer.json()) as { event: unknown }).event]).toEqual([200, 1]);
    expect((await unsigned(`/2015-03-31/functions/${account}:function:program/invocations`)).status).toBe(200);
  });

  test.each([
    ["GET", "/2015-03-31/functions/"],
    ["GET", "/2015-03-31/functions/program"],
    ["POST", "/2015-03-31/functions"],
    ["DELETE", "/2015-03-31/functions/program"],
    ["PUT", "/2017-10-31/functions/program/concurrency"],
  ])("opens nothing else: %s %s", async (method, path) => {
    const answer = await unsigned(path, { method, ...(method === "GET" && { body: null }) });
    expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([
      403,
      "MissingAuthenticationTokenException",
    ]);
  });

  test("a wrong signature is refused all the same, and without the plan's word so is everything", async () => {
    const headers = {
      authorization: "AWS4-HMAC-SHA256 Credential=x/20260101/r/lambda/aws4_request, SignedHeaders=host, Signature=0",
    };
    expect((await unsigned("/2015-03-31/functions/program/invocations", { headers })).status).toBe(403);
    await using strict = await startTestServer();
    const answer = await fetch(`${strict.adminUrl}/2015-03-31/functions/any/invocations`, { method: "POST" });
    expect(answer.status).toBe(403);
  });
});
