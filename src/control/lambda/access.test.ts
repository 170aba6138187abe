/** Who may call the Lambda API: signatures that are right, those that are not, tokens, scopes, and other projects. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import {
  GetFunctionCommand,
  InvokeCommand,
  type LambdaClient,
  ListFunctionsCommand,
  PublishVersionCommand,
} from "@aws-sdk/client-lambda";
import { accountIdOf } from "../../core/account.ts";
import { ask, deploy, saying, withKey } from "../../testing/control_client.ts";
import { failed, lambdaClient, makeKey, type Pair, payloadOf } from "../../testing/lambda_rig.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
let pair: Pair;
const clients: LambdaClient[] = [];
const clientOf = (credentials: Pair, more = {}) => {
  const client = lambdaClient(server, credentials, more);
  clients.push(client);
  return client;
};
beforeAll(async () => {
  server = await startTestServer();
  pair = (await makeKey(server)).aws;
  await ask(server, "POST", "/v1/projects", { name: "other" });
  await deploy(server, "hi", saying('"default"'));
  await deploy(server, "hi", saying('"other"'), { project: "other" });
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await server?.[Symbol.asyncDispose]();
});

/** What a request is signed over; each member can be made wrong. */
interface Signing {
  readonly time?: string;
  readonly service?: string;
  readonly names?: readonly string[];
  readonly signedBody?: string;
  readonly sentBody?: string;
  readonly path?: string;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  /** Sent, and not signed. */
  readonly later?: Record<string, string>;
  readonly secret?: string;
  readonly id?: string;
}

const sha = (text: string) => createHash("sha256").update(text).digest("hex");
const now = (offsetMs = 0) => new Date(Date.now() + offsetMs).toISOString().replace(/[-:]|\.\d{3}/g, "");

/** Signs by the letter of AWS's description, and sends. */
async function signed(wrong: Signing = {}): Promise<[status: number, type: string | null]> {
  const {
    time = now(),
    service = "lambda",
    query = "",
    signedBody = "1",
    path = "/2015-03-31/functions/hi/invocations",
  } = wrong;
  const day = time.slice(0, 8);
  const host = new URL(server.adminUrl).host;
  const headers: Record<string, string> = { host, "x-amz-date": time, ...wrong.headers };
  const names = (wrong.names ?? Object.keys(headers)).toSorted();
  const lines = names.map((name) => `${name}:${headers[name]?.trim().replace(/ +/g, " ")}\n`).join("");
  const uri = path.split("/").map(encodeURIComponent).join("/");
  const canonical = ["POST", uri, query, lines, names.join(";"), sha(signedBody)].join("\n");
  const scope = `${day}/eu-central-1/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, sha(canonical)].join("\n");
  let key: Buffer | string = `AWS4${wrong.secret ?? pair.secretAccessKey}`;
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(text).digest("hex");
  const credential = `${wrong.id ?? pair.accessKeyId}/${scope}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  const { host: _, ...sent } = headers;
  const answer = await fetch(`${server.adminUrl}${path}${query === "" ? "" : `?${query}`}`, {
    ...{ method: "POST", headers: { ...sent, authorization, ...wrong.later }, body: wrong.sentBody ?? signedBody },
  });
  await answer.body?.cancel();
  return [answer.status, answer.headers.get("x-amzn-errortype")];
}

const MISMATCH = [403, "InvalidSignatureException"];
test.each<[string, Signing, readonly [number, string | null]]>([
  ["as it should be", {}, [200, null]],
  ["with spaces in a header", { headers: { "x-amz-meta": "  a   b " } }, [200, null]],
  ["of an encoded path", { path: "/2015-03-31/functions/hi%3A%24LATEST/invocations" }, [200, null]],
  ["with a query", { query: "Qualifier=%24LATEST&a=%20b&b=" }, [200, null]],
  ["four minutes ago", { time: now(-4 * 60_000) }, [200, null]],
  ["six minutes ago", { time: now(-6 * 60_000) }, MISMATCH as never],
  ["six minutes ahead", { time: now(6 * 60_000) }, MISMATCH as never],
  ["at no time", { time: "yesterday" }, [403, "IncompleteSignatureException"]],
  ["by another secret", { secret: "x" }, MISMATCH as never],
  ["by nobody", { id: "AKIAIOSFODNN7EXAMPLE" }, [403, "UnrecognizedClientException"]],
  ["by what is no id", { id: "a b" }, [403, "IncompleteSignatureException"]],
  ["for another service", { service: "s3" }, MISMATCH as never],
  ["over another body", { sentBody: "2" }, MISMATCH as never],
  ["over no body, as S3 has it", { headers: { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } }, MISMATCH as never],
  ["without the host", { names: ["x-amz-date"] }, MISMATCH as never],
  ["without a header of AWS", { later: { "x-amz-invocation-type": "Event" } }, MISMATCH as never],
  [
    "and changed afterwards",
    { headers: { "x-amz-log-type": "None" }, later: { "x-amz-log-type": "Tail" } },
    MISMATCH as never,
  ],
])("a signature %s", async (_name, wrong, expected) => {
  expect(await signed(wrong)).toEqual([...expected] as [number, string | null]);
});

test("garbage is refused, whatever it is", async () => {
  const random = seededRandom(7);
  const good = `AWS4-HMAC-SHA256 Credential=${pair.accessKeyId}/20260101/x/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=${"a".repeat(64)}`;
  const texts = [
    "AWS4-HMAC-SHA256",
    "AWS4-",
    "AWS4-ECDSA-P256-SHA256 Credential=a",
    "Bearer",
    "Basic YTpi",
    `AWS4-HMAC-SHA256 ${"=,".repeat(3000)}`,
  ];
  for (let n = 0; n < 300; n += 1) {
    const at = random.below(good.length);
    const character = String.fromCharCode(33 + random.below(90));
    texts.push(good.slice(0, at) + character + good.slice(at + random.below(3)));
  }
  for (const authorization of texts) {
    const answer = await fetch(`${server.adminUrl}/2015-03-31/functions`, {
      headers: { authorization, "x-amz-date": now() },
    });
    await answer.body?.cancel();
    if (answer.status !== 403) throw new Error(`${authorization} is answered ${answer.status}`);
  }
  const none = await fetch(`${server.adminUrl}/2015-03-31/functions/`);
  expect([none.status, none.headers.get("x-amzn-errortype")]).toEqual([403, "MissingAuthenticationTokenException"]);
  const unknown = await server.admin("/2015-03-31/nothing");
  expect([unknown.status, unknown.headers.get("x-amzn-errortype")]).toEqual([404, "UnknownOperationException"]);
});

test("AWS's client with a clock that is wrong mends it, and with another secret does not", async () => {
  const skewed = clientOf(pair, { systemClockOffset: 3_600_000, maxAttempts: 1 });
  expect((await failed(skewed.send(new ListFunctionsCommand({})))).name).toBe("InvalidSignatureException");
  const wrong = clientOf({ ...pair, secretAccessKey: `${pair.secretAccessKey}x` });
  expect((await failed(wrong.send(new ListFunctionsCommand({})))).name).toBe("InvalidSignatureException");
});

test("tokens are taken too: the server's for each project, a key's for its own", async () => {
  const invoke = (headers: Record<string, string>) =>
    server.admin("/2015-03-31/functions/hi/invocations", { method: "POST", body: "{}", headers });
  expect(await (await invoke({})).json()).toBe("default");
  expect(await (await invoke({ "isopod-project": "other" })).json()).toBe("other");
  expect((await invoke({ "isopod-project": "none" })).status).toBe(404);
  const { key } = await makeKey(server, { project: "other" });
  expect(await (await invoke({ ...withKey(key), "isopod-project": "default" })).json()).toBe("other");
  expect((await invoke(withKey("isopod_wrong"))).headers.get("x-amzn-errortype")).toBe("UnrecognizedClientException");
  expect((await invoke({ origin: "https://evil.example" })).status).toBe(403);
});

test("a project sees its own functions alone", async () => {
  const other = clientOf((await makeKey(server, { project: "other" })).aws);
  const own = clientOf(pair);
  expect(payloadOf(await other.send(new InvokeCommand({ FunctionName: "hi" })))).toBe("other");
  expect(payloadOf(await own.send(new InvokeCommand({ FunctionName: "hi" })))).toBe("default");
  const FunctionName = `arn:aws:lambda:eu-central-1:${accountIdOf("default")}:function:hi`;
  expect((await failed(other.send(new InvokeCommand({ FunctionName })))).name).toBe("ResourceNotFoundException");
  expect((await failed(other.send(new GetFunctionCommand({ FunctionName })))).name).toBe("ResourceNotFoundException");
  await deploy(server, "alone", saying("1"));
  const { Functions } = await other.send(new ListFunctionsCommand({}));
  expect(Functions?.map((each) => each.FunctionName)).toEqual(["hi"]);
  expect((await failed(other.send(new InvokeCommand({ FunctionName: "alone" })))).name).toBe(
    "ResourceNotFoundException",
  );
});

test("a key opens what its scopes say, until it expires or is deleted", async () => {
  const commands = {
    invoke: () => new InvokeCommand({ FunctionName: "hi" }),
    read: () => new GetFunctionCommand({ FunctionName: "hi" }),
    change: () => new PublishVersionCommand({ FunctionName: "hi" }),
  };
  for (const [scopes, allowed] of [
    [["invoke"], ["invoke"]],
    [["deploy"], ["read", "change"]],
    [["logs"], ["read"]],
    [["run"], []],
    [["admin"], ["invoke", "read", "change"]],
  ] as const) {
    const client = clientOf((await makeKey(server, { scopes })).aws);
    for (const [what, command] of Object.entries(commands)) {
      const { name } = await failed(client.send(command() as InvokeCommand));
      expect([scopes, what, name]).toEqual([
        scopes,
        what,
        allowed.includes(what as never) ? "nothing" : "AccessDeniedException",
      ]);
    }
  }
  const { aws, id } = await makeKey(server);
  const client = clientOf(aws);
  await client.send(commands.invoke());
  await ask(server, "DELETE", `/v1/projects/default/keys/${id}`);
  expect((await failed(client.send(commands.invoke()))).name).toBe("UnrecognizedClientException");
  const short = clientOf((await makeKey(server, { expiresAt: Date.now() + 300 })).aws);
  while ((await failed(short.send(commands.invoke()))).name === "nothing")
    await new Promise((resolve) => setImmediate(resolve));
  expect((await failed(short.send(commands.invoke()))).name).toBe("UnrecognizedClientException");
});

test("the secret of a pair is shown once, and is encrypted anew with the other secrets", async () => {
  const { id } = await makeKey(server);
  const listed = await ask(server, "GET", "/v1/projects/default/keys?limit=1000");
  expect(JSON.stringify(listed.body)).not.toContain("secretAccessKey");
  expect(listed.body.items.find((each) => each["id"] === id)).not.toHaveProperty("aws");
  expect((await ask(server, "POST", "/v1/secrets/rotate")).status).toBe(200);
  expect(await signed()).toEqual([200, null]);
});
