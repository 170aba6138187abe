/** AWS's own runtime interface clients, unchanged: what is written for them runs here. */
import { expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { ProjectFolder } from "../../testing/project_folder.ts";
import { nodeClient, pythonClient, type RealClient } from "../../testing/real_clients.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

const NODE_HANDLER = `
export const plain = async (event, context) => {
  console.log("a line of the log");
  if (event.rawPath.endsWith("/throw")) throw new TypeError("no good");
  return { path: event.rawPath, body: event.body, id: context.awsRequestId, name: context.functionName, left: context.getRemainingTimeInMillis() };
};
export const streamed = awslambda.streamifyResponse(async (event, stream) => {
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: 207, headers: { "x-own": "1" }, cookies: ["a=b"] });
  for (let count = 0; count < 5; count += 1) out.write("part " + count + "\\n");
  out.end();
});
`;

const PYTHON_HANDLER = `
def plain(event, context):
    print("a line of the log")
    if event["rawPath"].endswith("/throw"): raise ValueError("no good")
    return {"path": event["rawPath"], "body": event.get("body"), "id": context.aws_request_id, "name": context.function_name, "left": context.get_remaining_time_in_millis()}
`;

/** Why a test is skipped, for its name. */
const note = (client: RealClient) => ("missing" in client ? ` (skipped: ${client.missing})` : "");
const isMissing = (client: RealClient) => "missing" in client;

/** A server with functions whose folder is a client beside a handler. */
function serve(
  folder: ProjectFolder,
  client: RealClient,
  place: string,
  commands: Readonly<Record<string, string>>,
): Promise<TestServer> {
  if ("folder" in client) cpSync(client.folder, join(folder.path, place), { recursive: true });
  const tables = Object.entries(commands).map(([name, command]) => {
    const own = `name = "${name}"\npath = "${folder.path}"\ncommand = "${command}"\nhandler = "app.${name}"`;
    return `[[functions]]\n${own}\nroutes = ["ANY /${name}", "ANY /${name}/*"]\nlimits = { memory_mb = 256, wall_ms = 15000 }\n`;
  });
  return startTestServer({ config: tables.join("") });
}

async function speaks(url: string): Promise<void> {
  for (const body of ["one", "two"]) {
    const answer = await fetch(`${url}/plain/x`, { method: "POST", body, headers: { "content-type": "text/plain" } });
    const told = (await answer.json()) as Record<string, unknown>;
    expect(told).toMatchObject({ path: "/plain/x", body, name: "plain", id: answer.headers.get("isopod-request-id") });
    expect(told["left"]).toBeGreaterThan(0);
  }
  const failed = await fetch(`${url}/plain/throw`);
  expect([failed.status, await failed.text()]).toEqual([500, expect.stringContaining("Error: no good")]);
  expect((await fetch(`${url}/plain/x`)).status).toBe(200);
}

const node = nodeClient();
test.skipIf(isMissing(node))(`aws-lambda-ric of npm${note(node)}`, async () => {
  const start = (name: string) => `node node_modules/aws-lambda-ric/bin/index.mjs app.${name}`;
  const commands = { plain: start("plain"), streamed: start("streamed") };
  using folder = new ProjectFolder({ "app.mjs": NODE_HANDLER });
  await using server = await serve(folder, node, "node_modules/aws-lambda-ric", commands);
  await speaks(server.url);
  const streamed = await fetch(`${server.url}/streamed`);
  expect([streamed.status, streamed.headers.get("x-own"), streamed.headers.get("set-cookie")]).toEqual([
    207,
    "1",
    "a=b",
  ]);
  expect(await streamed.text()).toBe("part 0\npart 1\npart 2\npart 3\npart 4\n");
});

const python = pythonClient();
test.skipIf(isMissing(python))(`awslambdaric of PyPI${note(python)}`, async () => {
  const commands = { plain: "python3 -m awslambdaric app.plain" };
  using folder = new ProjectFolder({ "app.py": PYTHON_HANDLER });
  await using server = await serve(folder, python, ".", commands);
  await speaks(server.url);
});
