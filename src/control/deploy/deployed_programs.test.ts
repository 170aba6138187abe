/** Programs of the `process` engine that are deployed by the admin API: they answer, keep their settings, and fail by name. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ask, functionPath } from "../../testing/control_client.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

/** Answers what `env` and the file beside it say. */
const ANSWERS = `#!/usr/bin/python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    event.read()
    said = {"file": open("/var/task/lib/said.txt").read(), "env": os.environ.get("SAID"), "handler": os.environ["_HANDLER"]}
    api.request("POST", "/2018-06-01/runtime/invocation/" + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", json.dumps(said))
    api.getresponse().read()
`;

const deployed = (name: string, more: Readonly<Record<string, unknown>>) =>
  ask(server, "POST", functionPath(name, "/deploy"), { engine: "process", routes: [`ANY /${name}`], ...more });

test("a program answers behind its route, and settings make another version of it", async () => {
  const files = [
    { path: "bin/start", content: ANSWERS },
    { path: "lib/said.txt", content: "one" },
  ];
  const made = await deployed("any", { files, entry: "bin/start", exportName: "app.go" });
  expect(made.status).toBe(200);
  const said = async () => (await fetch(`${server.url}/any`)).json();
  expect(await said()).toEqual({ file: "one", env: null, handler: "app.go" });
  const changed = await ask(server, "PATCH", functionPath("any", "/settings"), { env: { SAID: "two" } });
  expect(changed.body.version).not.toBe(made.body.version);
  expect(await said()).toEqual({ file: "one", env: "two", handler: "app.go" });
});

test.each<[string, string, string]>([
  ["a program that ends", "#!/bin/sh\nexit 3\n", "program_invalid"],
  ["what cannot be executed", "\0\0\0\0", "program_invalid"],
])("%s is refused when it is deployed", async (_what, content, code) => {
  const { status, body } = await deployed("broken", { files: [{ path: "start", content }], entry: "start" });
  expect([status, body.error.code]).toEqual([422, code]);
  expect(body.error.message).toStartWith('Cannot deploy "broken": ');
});
