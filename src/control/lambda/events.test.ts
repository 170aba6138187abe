/** Invocations that nobody waits for, through a real server: taken, made, and still there after it was killed. */
import { expect, test } from "bun:test";
import {
  CreateFunctionCommand,
  DeleteFunctionConcurrencyCommand,
  InvokeCommand,
  PutFunctionConcurrencyCommand,
  PutFunctionEventInvokeConfigCommand,
  type Runtime,
} from "@aws-sdk/client-lambda";
import { deploy } from "../../testing/control_client.ts";
import { lambdaClient, makeKey } from "../../testing/lambda_rig.ts";
import { ServeProcess } from "../../testing/serve_process.ts";
import { startTestServer } from "../../testing/server.ts";
import { zipOf } from "../../testing/zip_maker.ts";

const FILES = {
  "isopod.toml": 'listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n[pool]\nprewarmed = 1\n',
};
/** Remembers what it was called with in a namespace that outlives its server. */
const REMEMBERS = `
  export default async (request, env, ctx) => {
    if (request.method === "POST") return env.SEEN.put(ctx.requestId, await request.text()).then(() => new Response("ok"));
    const { keys } = await env.SEEN.list();
    return Response.json(await Promise.all(keys.map(({ name }) => env.SEEN.get(name))));
  };`;
const SETTINGS = { settings: { bindings: { SEEN: { type: "kv", name: "seen" } } }, routes: ["GET /seen"] };

/** What has been seen, once it is `count` payloads. */
async function seen(url: string, count: number): Promise<string[]> {
  for (;;) {
    const answer = await fetch(`${url}/seen`);
    const all = answer.status === 200 ? ((await answer.json()) as string[]) : [];
    if (all.length >= count) return all.sort();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The figure of an outcome, once it is `count`. */
async function counted(
  server: { admin(path: string): Promise<Response> },
  outcome: string,
  count: number,
): Promise<void> {
  const line = `isopod_async_invocations{outcome="${outcome}"} ${count}`;
  while (!(await (await server.admin("/metrics")).text()).includes(line))
    await new Promise((resolve) => setImmediate(resolve));
}

test("are answered 202 and made then, also at many at once", async () => {
  await using server = await startTestServer();
  const client = lambdaClient(server, (await makeKey(server)).aws);
  try {
    await deploy(server, "remembers", REMEMBERS, SETTINGS);
    const payloads = Array.from({ length: 50 }, (_, n) => String(1000 + n));
    const answers = await Promise.all(
      payloads.map((Payload) =>
        client.send(new InvokeCommand({ FunctionName: "remembers", InvocationType: "Event", Payload })),
      ),
    );
    expect(new Set(answers.map(({ StatusCode }) => StatusCode))).toEqual(new Set([202]));
    expect(await seen(server.url, 50)).toEqual(payloads);
    await counted(server, "succeeded", 50);
  } finally {
    client.destroy();
  }
}, 30_000);

test("that fail are given up as often as the function says", async () => {
  await using server = await startTestServer();
  const client = lambdaClient(server, (await makeKey(server)).aws);
  const FunctionName = "fails";
  try {
    const Code = { ZipFile: zipOf({ "index.mjs": "export const handler = async () => { throw new Error('no'); };" }) };
    const more = { Runtime: "nodejs22.x" as Runtime, Handler: "index.handler", Role: "r" };
    await client.send(new CreateFunctionCommand({ FunctionName, Code, ...more }));
    await client.send(new PutFunctionEventInvokeConfigCommand({ FunctionName, MaximumRetryAttempts: 0 }));
    await client.send(new InvokeCommand({ FunctionName, InvocationType: "Event" }));
    await counted(server, "dead", 1);
  } finally {
    client.destroy();
  }
});

test("that were taken are made by the next server, when the first was killed", async () => {
  let server = await ServeProcess.start(FILES);
  try {
    const { aws } = await makeKey(server);
    const FunctionName = "remembers";
    await deploy(server, FunctionName, REMEMBERS, SETTINGS);
    const first = lambdaClient(server, aws);
    await first.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
    const payloads = Array.from({ length: 20 }, (_, n) => String(100 + n));
    for (const Payload of payloads)
      await first.send(new InvokeCommand({ FunctionName, InvocationType: "Event", Payload }));
    first.destroy();
    // Each has been tried and put back: one that is killed in the middle of that comes again when its lease is over.
    const tried = () => server.accessLines().filter(({ remote }) => remote === "invoke:event").length;
    while (tried() < payloads.length) await server.admin("/status");
    server.signal("SIGKILL");
    await server.exited;
    server = await ServeProcess.start(FILES, server);
    const second = lambdaClient(server, aws);
    await second.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
    second.destroy();
    expect(await seen(server.url, 20)).toEqual(payloads);
  } finally {
    await server[Symbol.asyncDispose]();
  }
}, 120_000);
