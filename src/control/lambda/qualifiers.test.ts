/** Numbers, aliases, addresses and tags of functions, by AWS's own client. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as aws from "@aws-sdk/client-lambda";
import { accountIdOf } from "../../core/account.ts";
import { ask, deploy, saying } from "../../testing/control_client.ts";
import { failed, type ManagedFunctions, startManaged, statusOf as status } from "../../testing/lambda_rig.ts";
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
    const handler = `export const handler = async (event) => event.rawPath === "/as it is" ? event.rawPath : ({ statusCode: 201, headers: { "x-a": "b" }, cookies: ["a=1", "b=2"], body: JSON.stringify(event) });`;
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
      requestContext: {
        http: { method: "POST", path: "/some/path", sourceIp: "127.0.0.1" },
        time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      },
    });
    const odd = await fetch(`${server.url}/x?constructor=1&__proto__=5`, {
      ...{ method: "POST", body: "a=b", headers: { host, "content-type": "application/x-www-form-urlencoded" } },
    });
    const { queryStringParameters, body, isBase64Encoded } = (await odd.json()) as Record<string, unknown>;
    expect(Object.entries(queryStringParameters as object)).toEqual([
      ["constructor", "1"],
      ["__proto__", "5"],
    ]);
    expect([body, isBase64Encoded]).toEqual([btoa("a=b"), true]);
    const binary = await fetch(`${server.url}/x`, {
      ...{ method: "POST", body: new Uint8Array([102, 255]), headers: { host, "content-type": "text/plain" } },
    });
    expect(await binary.json()).toMatchObject({ body: "Zv8=", isBase64Encoded: true });
    // AWS: a path is given as it is meant; a result that is a string is JSON.
    const plain = await fetch(`${server.url}/as%20it%20is`, { headers: { host } });
    expect([plain.headers.get("content-type"), await plain.text()]).toEqual(["application/json", '"/as it is"']);
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
