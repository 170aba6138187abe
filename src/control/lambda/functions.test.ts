/** Functions managed by AWS's own client: made, changed, published, named, addressed, deleted. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as aws from "@aws-sdk/client-lambda";
import { ask, deploy, functionPath, saying } from "../../testing/control_client.ts";
import { failed, lambdaClient, makeKey, payloadOf } from "../../testing/lambda_rig.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { zipOf } from "../../testing/zip_maker.ts";
import { accountIdOf } from "./names.ts";

let server: TestServer;
let client: aws.LambdaClient;
beforeAll(async () => {
  server = await startTestServer({
    config: `[[functions]]\nname = "filed"\npath = "./filed.js"\n`,
    files: { "filed.js": saying("filed") },
  });
  client = lambdaClient(server, (await makeKey(server)).aws);
});
afterAll(async () => {
  client?.destroy();
  await server?.[Symbol.asyncDispose]();
});

const Role = "arn:aws:iam::123456789012:role/r";
const Runtime = "nodejs22.x" as aws.Runtime;
const answering = (value: unknown) =>
  zipOf({ "index.mjs": `export const handler = async () => (${JSON.stringify(value)});` });

function create(FunctionName: string, more: Partial<aws.CreateFunctionCommandInput> = {}) {
  const Code = { ZipFile: answering(FunctionName) };
  return client.send(
    new aws.CreateFunctionCommand({ FunctionName, Role, Runtime, Handler: "index.handler", Code, ...more }),
  );
}
const update = (FunctionName: string, value: unknown, more: Partial<aws.UpdateFunctionCodeCommandInput> = {}) =>
  client.send(new aws.UpdateFunctionCodeCommand({ FunctionName, ZipFile: answering(value), ...more }));
const call = async (FunctionName: string, Qualifier?: string) =>
  payloadOf(await client.send(new aws.InvokeCommand({ FunctionName, ...(Qualifier !== undefined && { Qualifier }) })));
const arn = (name: string) => `arn:aws:lambda:eu-central-1:${accountIdOf("default")}:function:${name}`;
const status = async (promise: Promise<unknown>) => {
  const { name, $metadata } = await failed(promise);
  return [name, $metadata?.httpStatusCode];
};

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

  test.each<[string, Partial<aws.CreateFunctionCommandInput>, string]>([
    ["Upper", {}, "InvalidParameterValueException"],
    ["one:live", {}, "InvalidParameterValueException"],
    ["py", { Runtime: "python3.12" as aws.Runtime }, "InvalidParameterValueException"],
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

describe("versions and aliases", () => {
  const publish = (FunctionName: string, more: Partial<aws.PublishVersionCommandInput> = {}) =>
    client.send(new aws.PublishVersionCommand({ FunctionName, ...more }));

  test("numbers are given once, to what has changed", async () => {
    const { CodeSha256 } = await create("numbers");
    expect((await publish("numbers", { Description: "first" })).Version).toBe("1");
    expect((await publish("numbers")).Version).toBe("1");
    expect(await status(publish("numbers", { CodeSha256: "x" }))).toEqual(["InvalidParameterValueException", 400]);
    await update("numbers", 2);
    expect((await publish("numbers")).Version).toBe("2");
    expect(await status(publish("numbers", { CodeSha256: CodeSha256 as string }))).toEqual([
      "InvalidParameterValueException",
      400,
    ]);
    const { Versions = [] } = await client.send(new aws.ListVersionsByFunctionCommand({ FunctionName: "numbers" }));
    expect(Versions.map(({ Version, Description }) => [Version, Description])).toEqual([
      ["$LATEST", ""],
      ["1", "first"],
      ["2", ""],
    ]);
    await client.send(new aws.DeleteFunctionCommand({ FunctionName: "numbers", Qualifier: "2" }));
    expect((await status(client.send(new aws.InvokeCommand({ FunctionName: "numbers", Qualifier: "2" }))))[1]).toBe(
      404,
    );
    await update("numbers", 3);
    expect((await publish("numbers")).Version).toBe("3");
    expect(
      await status(client.send(new aws.DeleteFunctionCommand({ FunctionName: "numbers", Qualifier: "$LATEST" }))),
    ).toEqual(["InvalidParameterValueException", 400]);
  });

  test("what has a number is not collected, and cannot be deleted by another way", async () => {
    await create("kept", { Publish: true });
    for (let n = 0; n < 3; n += 1) await update("kept", n);
    await ask(server, "POST", "/v1/collect", { versionsKept: 1, youngerThanMs: 0, blobsYoungerThanMs: 0 });
    expect(await call("kept", "1")).toBe("kept");
  });

  test("aliases stand for versions by their weights", async () => {
    await create("aliased", { Publish: true });
    await update("aliased", "second", { Publish: true });
    const Name = "live";
    const FunctionName = "aliased";
    const made = await client.send(
      new aws.CreateAliasCommand({ FunctionName, Name, FunctionVersion: "1", Description: "d" }),
    );
    expect(made).toMatchObject({ AliasArn: `${arn("aliased")}:live`, Name, FunctionVersion: "1", Description: "d" });
    expect(await call("aliased", "live")).toBe("aliased");
    const RoutingConfig = { AdditionalVersionWeights: { "2": 0.25 } };
    const weighted = await client.send(
      new aws.UpdateAliasCommand({ FunctionName, Name, RoutingConfig, RevisionId: made.RevisionId as string }),
    );
    expect(weighted).toMatchObject({ FunctionVersion: "1", RoutingConfig, Description: "d" });
    const seen = new Set<string | undefined>();
    for (let n = 0; n < 200 && seen.size < 2; n += 1) {
      seen.add((await client.send(new aws.InvokeCommand({ FunctionName, Qualifier: Name }))).ExecutedVersion);
    }
    expect([...seen].sort()).toEqual(["1", "2"]);
    expect(
      await status(
        client.send(new aws.UpdateAliasCommand({ FunctionName, Name, RevisionId: made.RevisionId as string })),
      ),
    ).toEqual(["PreconditionFailedException", 412]);
    const moved = await client.send(
      new aws.UpdateAliasCommand({ FunctionName, Name, FunctionVersion: "2", RoutingConfig: {} }),
    );
    expect([moved.FunctionVersion, moved.RoutingConfig]).toEqual(["2", undefined]);
    expect((await client.send(new aws.GetAliasCommand({ FunctionName, Name }))).RevisionId).toBe(
      moved.RevisionId as string,
    );
    const listed = await client.send(new aws.ListAliasesCommand({ FunctionName }));
    expect(listed.Aliases?.map((each) => each.Name)).toEqual(["live"]);
    expect((await client.send(new aws.ListAliasesCommand({ FunctionName, FunctionVersion: "1" }))).Aliases).toEqual([]);
    expect(await status(client.send(new aws.DeleteFunctionCommand({ FunctionName, Qualifier: "2" })))).toEqual([
      "ResourceConflictException",
      409,
    ]);
    for (const [more, type] of [
      [{ Name: "live" }, "ResourceConflictException"],
      [{ Name: "production" }, "InvalidParameterValueException"],
      [{ Name: "12" }, "InvalidParameterValueException"],
      [{ Name: "new", FunctionVersion: "$LATEST" }, "InvalidParameterValueException"],
      [{ Name: "new", FunctionVersion: "77" }, "ResourceNotFoundException"],
    ] as const) {
      const input = { FunctionName, FunctionVersion: "1", ...more };
      expect((await failed(client.send(new aws.CreateAliasCommand(input)))).name).toBe(type);
    }
    await client.send(new aws.DeleteAliasCommand({ FunctionName, Name }));
    expect((await status(client.send(new aws.GetAliasCommand({ FunctionName, Name }))))[1]).toBe(404);
  });
});

describe("what stands beside a function", () => {
  test("its URL is a route, through which its handler gets events", async () => {
    const handler = `export const handler = async (event) => ({ statusCode: 201, headers: { "x-a": "b" }, cookies: ["a=1", "b=2"], body: JSON.stringify(event) });`;
    await create("addressed", { Code: { ZipFile: zipOf({ "index.mjs": handler }) } });
    const FunctionName = "addressed";
    const made = await client.send(new aws.CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE" }));
    const { host, port } = new URL(made.FunctionUrl ?? "");
    const answer = await fetch(`${server.url}/some/path?q=1&q=2`, {
      ...{ method: "POST", body: "{}", headers: { host, "content-type": "application/json", cookie: "c=3; d=4" } },
    });
    expect([answer.status, answer.headers.get("x-a"), answer.headers.getSetCookie(), port]).toEqual([
      201,
      "b",
      ["a=1", "b=2"],
      String(server.port),
    ]);
    expect(await answer.json()).toMatchObject({
      ...{ version: "2.0", rawPath: "/some/path", rawQueryString: "q=1&q=2", queryStringParameters: { q: "1,2" } },
      ...{ cookies: ["c=3", "d=4"], body: "{}", isBase64Encoded: false },
      requestContext: { http: { method: "POST", path: "/some/path", sourceIp: "127.0.0.1" } },
    });
    expect(
      (await failed(client.send(new aws.CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "NONE" })))).name,
    ).toBe("ResourceConflictException");
    expect(
      (await failed(client.send(new aws.CreateFunctionUrlConfigCommand({ FunctionName, AuthType: "AWS_IAM" })))).name,
    ).toBe("InvalidParameterValueException");
    const InvokeMode = "RESPONSE_STREAM";
    expect((await client.send(new aws.UpdateFunctionUrlConfigCommand({ FunctionName, InvokeMode }))).InvokeMode).toBe(
      InvokeMode,
    );
    expect((await client.send(new aws.GetFunctionUrlConfigCommand({ FunctionName }))).FunctionUrl).toBe(
      made.FunctionUrl as string,
    );
    await client.send(new aws.DeleteFunctionUrlConfigCommand({ FunctionName }));
    expect((await fetch(server.url, { headers: { host } })).status).not.toBe(201);
    expect((await status(client.send(new aws.GetFunctionUrlConfigCommand({ FunctionName }))))[1]).toBe(404);
  });

  test("tags, concurrency, how events are tried again, the account", async () => {
    const FunctionName = "beside";
    await create(FunctionName);
    const Resource = arn(FunctionName);
    await client.send(new aws.TagResourceCommand({ Resource, Tags: { a: "1", b: "2" } }));
    await client.send(new aws.UntagResourceCommand({ Resource, TagKeys: ["a", "c"] }));
    expect((await client.send(new aws.ListTagsCommand({ Resource }))).Tags).toEqual({ b: "2" });
    await client.send(new aws.PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 3 }));
    expect(
      (await client.send(new aws.GetFunctionConcurrencyCommand({ FunctionName }))).ReservedConcurrentExecutions,
    ).toBe(3);
    expect(
      (await client.send(new aws.GetFunctionCommand({ FunctionName }))).Concurrency?.ReservedConcurrentExecutions,
    ).toBe(3);
    await client.send(new aws.DeleteFunctionConcurrencyCommand({ FunctionName }));
    expect(
      (await client.send(new aws.GetFunctionConcurrencyCommand({ FunctionName }))).ReservedConcurrentExecutions,
    ).toBeUndefined();
    await client.send(new aws.PutFunctionEventInvokeConfigCommand({ FunctionName, MaximumRetryAttempts: 0 }));
    await client.send(new aws.UpdateFunctionEventInvokeConfigCommand({ FunctionName, MaximumEventAgeInSeconds: 60 }));
    expect(await client.send(new aws.GetFunctionEventInvokeConfigCommand({ FunctionName }))).toMatchObject({
      MaximumRetryAttempts: 0,
      MaximumEventAgeInSeconds: 60,
    });
    await client.send(new aws.DeleteFunctionEventInvokeConfigCommand({ FunctionName }));
    expect((await status(client.send(new aws.GetFunctionEventInvokeConfigCommand({ FunctionName }))))[1]).toBe(404);
    const { AccountUsage, AccountLimit } = await client.send(new aws.GetAccountSettingsCommand({}));
    expect([(AccountUsage?.FunctionCount ?? 0) > 0, AccountLimit?.CodeSizeUnzipped]).toEqual([true, 16 * 1024 * 1024]);
  });

  test("lists come in pages, and a function that is deleted is gone with everything", async () => {
    const all: string[] = [];
    for await (const page of aws.paginateListFunctions({ client, pageSize: 2 }, {}))
      all.push(...(page.Functions ?? []).map((each) => each.FunctionName ?? ""));
    expect(all).toEqual([...all].sort());
    expect(new Set(all).size).toBe(all.length);
    expect(all).toContain("filed");
    await deploy(server, "staged", saying("staged"), { alias: "staging" });
    expect(
      (await client.send(new aws.ListFunctionsCommand({}))).Functions?.map((each) => each.FunctionName),
    ).not.toContain("staged");
    expect((await failed(client.send(new aws.InvokeCommand({ FunctionName: "staged" })))).name).toBe(
      "ResourceNotFoundException",
    );
    await create("leaves", { Publish: true, Tags: { a: "1" } });
    expect(
      (await client.send(new aws.DeleteFunctionCommand({ FunctionName: "leaves" }))).$metadata.httpStatusCode,
    ).toBe(204);
    expect((await status(client.send(new aws.GetFunctionCommand({ FunctionName: "leaves" }))))[1]).toBe(404);
    expect((await create("leaves", { Publish: true })).Version).toBe("1");
    expect((await client.send(new aws.ListTagsCommand({ Resource: arn("leaves") }))).Tags).toEqual({});
  });
});
