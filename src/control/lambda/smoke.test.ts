import { expect, test } from "bun:test";
import { CreateFunctionCommand, InvokeCommand, InvokeWithResponseStreamCommand, ListFunctionsCommand, UpdateFunctionCodeCommand } from "@aws-sdk/client-lambda";
import { startTestServer } from "../../testing/server.ts";
import { deploy } from "../../testing/control_client.ts";
import { ECHO, lambdaClient, makeKey, payloadOf } from "../../testing/lambda_rig.ts";
import { zipOf } from "../../testing/zip_maker.ts";

test("smoke", async () => {
  await using server = await startTestServer();
  const { aws } = await makeKey(server);
  const client = lambdaClient(server, aws);
  const made = await client.send(new CreateFunctionCommand({ FunctionName: "echo", Runtime: "nodejs22.x" as never, Handler: "index.handler", Role: "arn:aws:iam::123456789012:role/x", Code: { ZipFile: zipOf({ "index.js": ECHO }) } }));
  console.log(made);
  const out = await client.send(new InvokeCommand({ FunctionName: "echo", Payload: JSON.stringify({ a: 1 }), LogType: "Tail" }));
  console.log(out.StatusCode, out.ExecutedVersion, payloadOf(out), Buffer.from(out.LogResult ?? "", "base64").toString());
  await client.send(new UpdateFunctionCodeCommand({ FunctionName: "echo", ZipFile: zipOf({ "index.mjs": `export const handler = awslambda.streamifyResponse(async (event, stream) => { stream.write("a"); await 1; stream.write("b"); stream.end("c"); });` }) }));
  const st = await client.send(new InvokeWithResponseStreamCommand({ FunctionName: "echo", Payload: "{}" }));
  for await (const e of st.EventStream ?? []) console.log(e, e.PayloadChunk && new TextDecoder().decode(e.PayloadChunk.Payload));
  await deploy(server, "hi", `export default (r, e, ctx) => Response.json(ctx.args)`);
  console.log(payloadOf(await client.send(new InvokeCommand({ FunctionName: "hi" }))));
  console.log((await client.send(new ListFunctionsCommand({}))).Functions);
  expect(1).toBe(1);
}, 60000);
