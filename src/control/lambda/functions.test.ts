/** Functions managed by AWS's own client: made, changed, published, named, addressed, deleted. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as aws from "@aws-sdk/client-lambda";
import { accountIdOf } from "../../core/account.ts";
import { ask, deploy, functionPath, saying } from "../../testing/control_client.ts";
import {
  answering,
  failed,
  type ManagedFunctions,
  payloadOf,
  ROLE as Role,
  NODE_RUNTIME as Runtime,
  startManaged,
  statusOf as status,
} from "../../testing/lambda_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { zipOf } from "../../testing/zip_maker.ts";

let managed: Awaited<ReturnType<typeof startManaged>>;
let server: TestServer;
let client: aws.LambdaClient;
let create: ManagedFunctions["create"];
let update: ManagedFunctions["update"];
let call: ManagedFunctions["call"];
beforeAll(async () => {
  managed = await startManaged();
  ({ server, client, create, update, call } = managed);
});
afterAll(() => managed[Symbol.asyncDispose]());

const arn = (name: string) => `arn:aws:lambda:eu-central-1:${accountIdOf("default")}:function:${name}`;

/** In Python, with what it has beside it. */
const BOOTSTRAP = `#!/usr/bin/python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    event.read()
    said = {"said": open("/var/task/said.txt").read(), "handler": os.environ["_HANDLER"]}
    api.request("POST", "/2018-06-01/runtime/invocation/" + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", json.dumps(said))
    api.getresponse().read()
`;

describe("creating", () => {
  test("gives what was asked for, and waiters find it active", async () => {
    const Environment = { Variables: { A: "1" } };
    const zip = answering("made");
    const more = { Timeout: 7, MemorySize: 192, Description: "d", Environment, Tags: { team: "x" }, Publish: true };
    const made = await create("made", { ...more, Code: { ZipFile: zip } });
    expect(made).toMatchObject({
      ...{
        FunctionName: "made",
        FunctionArn: `${arn("made")}:1`,
        Version: "1",
        Runtime,
        Handler: "index.handler",
        Role,
      },
      ...{ Timeout: 7, MemorySize: 192, Description: "d", Environment, CodeSize: zip.length, State: "Active" },
      CodeSha256: new Bun.CryptoHasher("sha256").update(zip).digest("base64"),
    });
    const waited = await aws.waitUntilFunctionActiveV2({ client, maxWaitTime: 5 }, { FunctionName: "made" });
    expect(String(waited.state)).toBe("SUCCESS");
    const got = await client.send(new aws.GetFunctionCommand({ FunctionName: "made" }));
    expect([got.Configuration?.Version, got.Tags]).toEqual(["$LATEST", { team: "x" }]);
    const path = new URL(got.Code?.Location ?? "").pathname;
    expect((await server.admin(path)).status).toBe(200);
    expect(await call("made", "1")).toBe("made");
  });

  test("a module of ours, with its own runtime, and CommonJS in folders", async () => {
    const ZipFile = zipOf({
      "main.ts": `import { x } from "./lib/x.ts"; export const go = () => Response.json(x);`,
      "lib/x.ts": "export const x: number = 3;",
    });
    await create("ours", { Runtime: "isopod.script" as aws.Runtime, Handler: "main.go", Code: { ZipFile } });
    expect(await call("ours")).toBe(3);
    const common = zipOf({
      "src/app.cjs": `const { x } = require("./x.json"); exports.a = { b: async () => x };`,
      "src/x.json": `{"x":4}`,
    });
    await create("common", { Handler: "src/app.a.b", Code: { ZipFile: common } });
    expect(await call("common")).toBe(4);
  });

  test("a bootstrap in any language, which asks for its events by the Runtime API", async () => {
    const more = { Runtime: "provided.al2023" as aws.Runtime, Handler: "what.ever" };
    await create("any", { ...more, Code: { ZipFile: zipOf({ bootstrap: BOOTSTRAP, "said.txt": "one" }) } });
    expect(await call("any")).toEqual({ said: "one", handler: "what.ever" });
    const changed = zipOf({ bootstrap: BOOTSTRAP, "said.txt": "two" });
    await client.send(new aws.UpdateFunctionCodeCommand({ FunctionName: "any", ZipFile: changed }));
    await client.send(new aws.UpdateFunctionConfigurationCommand({ FunctionName: "any", Handler: "other" }));
    expect(await call("any")).toEqual({ said: "two", handler: "other" });
  });

  test("a handler finds AWS's variables as its module is evaluated, and its own where it has set them", async () => {
    const source = `const { AWS_LAMBDA_FUNCTION_NAME: name, AWS_REGION: region, _HANDLER: handler, OWN: own } = process.env;
      export const handle = async () => ({ name, region, handler, own });`;
    const Environment = { Variables: { OWN: "1", AWS_REGION: "eu-central-1" } };
    await create("told", { Handler: "app.handle", Code: { ZipFile: zipOf({ "app.mjs": source }) }, Environment });
    expect(await call("told")).toEqual({ name: "told", region: "eu-central-1", handler: "app.handle", own: "1" });
  });

  test.skipIf(Bun.which("python3", { PATH: "/usr/local/bin:/usr/bin:/bin" }) === null)(
    "a handler in Python, with AWS's context (skipped where the machine has no python3)",
    async () => {
      const source = `import os
def handle(event, context):
    if event.get("fail"): raise ValueError("no such thing")
    names = ("function_name", "function_version", "memory_limit_in_mb", "aws_request_id", "invoked_function_arn")
    context.log("logged by the context")
    told = context.client_context
    context.identity.cognito_identity_id
    return {"custom": told and told.custom, "title": told and told.client.app_title, "event": event, "left": context.get_remaining_time_in_millis() > 0, "a": os.environ.get("A"), **{name: getattr(context, name) for name in names}}
`;
      const more = { Runtime: "python3.9" as aws.Runtime, Handler: "src/app.handle" };
      const Code = { ZipFile: zipOf({ "src/app.py": source }) };
      const { FunctionArn, Runtime } = await create("snake", {
        ...more,
        Code,
        Timeout: 15,
        Environment: { Variables: { A: "1" } },
      });
      expect(Runtime).toBe("python3.9" as aws.Runtime);
      const ClientContext = Buffer.from('{"custom":{"b":2},"client":{"app_title":"t"}}').toString("base64");
      const answer = await client.send(
        new aws.InvokeCommand({ FunctionName: "snake", Payload: '{"n":1}', ClientContext }),
      );
      expect(payloadOf(answer)).toEqual({
        ...{ event: { n: 1 }, left: true, a: "1", function_name: "snake", function_version: expect.any(String) },
        ...{ memory_limit_in_mb: 128, aws_request_id: answer.$metadata.requestId, invoked_function_arn: FunctionArn },
        ...{ custom: { b: 2 }, title: "t" },
      });
      const failing = await client.send(new aws.InvokeCommand({ FunctionName: "snake", Payload: '{"fail":1}' }));
      expect(failing.FunctionError).toBe("Unhandled");
      expect(payloadOf(failing)).toMatchObject({ errorType: "ValueError", errorMessage: "no such thing" });
      // Of another runtime it is another program; with another limit it is the same.
      await client.send(new aws.UpdateFunctionConfigurationCommand({ FunctionName: "snake", Timeout: 16 }));
      expect(await call("snake")).toMatchObject({ event: {} });
      const broken = { FunctionName: "snake", ZipFile: zipOf({ "src/app.py": "import nothing_of_this_name" }) };
      const { name, message } = await failed(client.send(new aws.UpdateFunctionCodeCommand(broken)));
      expect([name, message]).toEqual([
        "InvalidParameterValueException",
        expect.stringContaining("No module named 'nothing_of_this_name'"),
      ]);
    },
  );

  test.each<[string, Partial<aws.CreateFunctionCommandInput>, string]>([
    ["boot", { Runtime: "provided.al2023" as aws.Runtime }, "InvalidParameterValueException"],
    [
      "ends",
      { Runtime: "provided.al2023" as aws.Runtime, Code: { ZipFile: zipOf({ bootstrap: "#!/bin/sh\nexit 3" }) } },
      "InvalidParameterValueException",
    ],
    ["Upper", {}, "InvalidParameterValueException"],
    ["one:live", {}, "InvalidParameterValueException"],
    ["py", { Runtime: "python3.99" as aws.Runtime }, "InvalidParameterValueException"],
    ["ruby", { Runtime: "ruby3.3" as aws.Runtime }, "InvalidParameterValueException"],
    ["lay", { Layers: ["arn:aws:lambda:x:123456789012:layer:l:1"] }, "InvalidParameterValueException"],
    ["s3", { Code: { S3Bucket: "b", S3Key: "k" } }, "InvalidParameterValueException"],
    ["img", { PackageType: "Image" as aws.PackageType }, "InvalidParameterValueException"],
    ["vpc", { VpcConfig: { SubnetIds: ["subnet-1"] } }, "InvalidParameterValueException"],
    ["time", { Timeout: 901 }, "InvalidParameterValueException"],
    ["mem", { MemorySize: 4096 }, "InvalidParameterValueException"],
    ["env", { Environment: { Variables: { "A=B": "1" } } }, "InvalidParameterValueException"],
    ["nope", { Handler: "other.handler" }, "InvalidParameterValueException"],
    ["dots", { Handler: "../index.handler" }, "InvalidParameterValueException"],
    ["member", { Handler: "index.other" }, "InvalidParameterValueException"],
    ["zip", { Code: { ZipFile: new TextEncoder().encode("no zip") } }, "InvalidParameterValueException"],
    [
      "throws",
      { Code: { ZipFile: zipOf({ "index.mjs": "throw new Error('top')" }) } },
      "InvalidParameterValueException",
    ],
    [
      "syntax",
      { Code: { ZipFile: zipOf({ "index.mjs": "export const handler = (" }) } },
      "InvalidParameterValueException",
    ],
    [
      "pkg",
      { Code: { ZipFile: zipOf({ "index.mjs": "import 'left-pad'; export const handler = 1" }) } },
      "InvalidParameterValueException",
    ],
    [
      "ours-in",
      { Code: { ZipFile: zipOf({ "index.mjs": "", "isopod_lambda/x.js": "" }) } },
      "InvalidParameterValueException",
    ],
    ["filed", {}, "ResourceConflictException"],
  ])("refuses %s", async (name, more, type) => {
    const error = await failed(create(name, more));
    expect([error.name, error.message.length > 10]).toEqual([type, true]);
    if (name !== "filed")
      expect((await status(client.send(new aws.GetFunctionCommand({ FunctionName: name }))))[1]).toBe(404);
  });

  test("one of many who create the same wins", async () => {
    const all = await Promise.all(
      Array.from({ length: 5 }, (_, n) => failed(create("raced", { Description: String(n) }))),
    );
    expect(all.map(({ name }) => name).sort()).toEqual(
      [...Array(4).fill("ResourceConflictException"), "nothing"].sort(),
    );
  });
});

test("what is not offered is said in words, also at the other address", async () => {
  const said = async (more: object) => (await failed(create("refused", more))).message;
  expect(await said({ Code: { S3Bucket: "b", S3Key: "k" } })).toContain("code in S3");
  expect(await said({ VpcConfig: { SubnetIds: ["subnet-1"] } })).toContain("what a function reaches is its egress");
  const astray = await fetch(`${server.url}/2015-03-31/functions/any/invocations`, { method: "POST", body: "{}" });
  expect([astray.status, await astray.text()]).toEqual([404, expect.stringContaining("at the admin address")]);
});

describe("a zip of a folder, and not of what is in it, is told by where the file is", () => {
  const node = "the handler pkg/index.handler, or a zip without that folder";
  test.each<[string, string, string, string]>([
    ["nodejs22.x", "index.handler", "pkg/index.mjs", `there is pkg/index.mjs: expected ${node}.`],
    [
      "python3.9",
      "app.handle",
      "py/app.py",
      "there is py/app.py: expected the handler py/app.handle, or a zip without that folder.",
    ],
    ["python3.9", "app.handle", "py-1.0/app.py", "there is py-1.0/app.py: expected a zip without that folder."],
    ["provided.al2023", "x", "a/bootstrap", "there is a/bootstrap: expected a zip without that folder."],
    ["python3.9", "app.handle", "a/b/app.py", "is in no file of the zip: expected app.py."],
  ])("%s, %s, %s", async (runtime, Handler, path, said) => {
    const more = { Runtime: runtime as aws.Runtime, Handler, Code: { ZipFile: zipOf({ [path]: "" }) } };
    const { message } = await failed(create("folder", more));
    expect(message).toContain(said);
  });
});

describe("changing", () => {
  test("code: tried and not kept by a dry run, published when asked, refused on an old revision", async () => {
    const { RevisionId } = await create("code");
    await update("code", 2, { DryRun: true });
    expect(await call("code")).toBe("code");
    expect((await update("code", 2, { Publish: true })).Version).toBe("1");
    expect(await call("code")).toBe(2);
    expect(await status(update("code", 3, { RevisionId: RevisionId as string }))).toEqual([
      "PreconditionFailedException",
      412,
    ]);
    const { RevisionId: now } = await client.send(new aws.GetFunctionConfigurationCommand({ FunctionName: "code" }));
    await update("code", 3, { RevisionId: now as string });
    expect([await call("code"), await call("code", "1")]).toEqual([3, 2]);
  });

  test("configuration: the same files, other settings, another handler; the description alone is no new version", async () => {
    const ZipFile = zipOf({
      "index.js": "exports.handler = async () => process.env.A ?? 'none'; exports.second = async () => 'second';",
    });
    await create("conf", { Code: { ZipFile }, Environment: { Variables: { A: "1" } } });
    const change = (more: Partial<aws.UpdateFunctionConfigurationCommandInput>) =>
      client.send(new aws.UpdateFunctionConfigurationCommand({ FunctionName: "conf", ...more }));
    const before = (await ask(server, "GET", functionPath("conf", "/versions"))).body.items.length;
    expect(await change({ Description: "said", Role })).toMatchObject({
      Description: "said",
      Environment: { Variables: { A: "1" } },
    });
    expect((await ask(server, "GET", functionPath("conf", "/versions"))).body.items.length).toBe(before);
    expect(await change({ Environment: { Variables: { A: "2" } }, Timeout: 30 })).toMatchObject({
      Timeout: 30,
      Description: "said",
    });
    expect(await call("conf")).toBe("2");
    expect(await change({ Handler: "index.second", MemorySize: 256 })).toMatchObject({
      Handler: "index.second",
      MemorySize: 256,
      Timeout: 30,
    });
    expect(await call("conf")).toBe("second");
    await change({ Handler: "index.handler", Environment: {} });
    expect(await call("conf")).toBe("none");
    expect(await status(change({ Handler: "gone.handler" }))).toEqual(["InvalidParameterValueException", 400]);
    expect(await status(change({ Timeout: 5, RevisionId: "1-1" }))).toEqual(["PreconditionFailedException", 412]);
  });

  test("what another way gives it, such as egress, is kept by what this API changes", async () => {
    await create("reaches");
    const egress = ["api.example.com"];
    await ask(server, "PATCH", functionPath("reaches", "/settings"), { egress });
    const FunctionName = "reaches";
    expect(await client.send(new aws.GetFunctionConfigurationCommand({ FunctionName }))).toMatchObject({
      Runtime,
      Handler: "index.handler",
    });
    await update("reaches", 2);
    await client.send(new aws.UpdateFunctionConfigurationCommand({ FunctionName, Timeout: 9 }));
    expect(await call("reaches")).toBe(2);
    const { body } = await ask(server, "GET", functionPath("reaches", "/versions/production"));
    expect(body as unknown).toMatchObject({ settings: { egress, limits: { wallMs: 9000 } } });
  });

  test("what another way has deployed, and not what stands in the configuration", async () => {
    await deploy(server, "cli", saying("cli"), { path: "main.ts" });
    expect(
      (await client.send(new aws.GetFunctionConfigurationCommand({ FunctionName: "cli" }))).Runtime as string,
    ).toBe("isopod.script");
    const ZipFile = zipOf({ "main.ts": saying('"by zip"') });
    await client.send(new aws.UpdateFunctionCodeCommand({ FunctionName: "cli", ZipFile }));
    expect(await call("cli")).toBe("by zip");
    expect(await status(update("filed", 1))).toEqual(["ResourceConflictException", 409]);
    expect(await status(client.send(new aws.DeleteFunctionCommand({ FunctionName: "filed" })))).toEqual([
      "ResourceConflictException",
      409,
    ]);
    expect(await status(update("missing", 1))).toEqual(["ResourceNotFoundException", 404]);
  });
});
