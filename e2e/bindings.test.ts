/**
 * Functions, queues, secrets and what goes out, the same for a program of every engine: beside the suite of
 * `src/testing/env-binding-suite.ts`, which has the bindings that keep something.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { RT } from "../src/testing/process_rig.ts";
import { startTestServer, type TestServer } from "../src/testing/server.ts";

/** Answers `?do=...` as JSON: `[status, text]` of what was called, or the code of the error. */
const SCRIPT = `
const told = (call) => call.then((value) => value, (error) => ({ code: error.code }));
const read = async (answer) => { const { status, ...rest } = await answer; return [status, await (await answer).text()]; };
export default async (request, env) => {
  const { searchParams } = new URL(request.url);
  const out = searchParams.get("out");
  switch (searchParams.get("do")) {
    case "function": return Response.json(await told(read(env.OTHER.fetch("http://any/p%20q?a=b", { method: "POST", body: "sent" }))));
    case "gone": return Response.json(await told(read(env.GONE.fetch("http://any/"))));
    case "queue": return Response.json(await told(env.JOBS.send("from script").then(() => "sent")));
    case "large": return Response.json(await told(env.JOBS.send("x".repeat(128 * 1024 + 1))));
    case "secret": return Response.json([env.TOKEN, env.SEALED !== "sealed-value"]);
    case "egress": return Response.json(await told(read(fetch(out, { headers: { authorization: "Bearer " + env.SEALED } }))));
    case "outside": return Response.json(await told(read(fetch("http://elsewhere.example/"))));
  }
};
`;

const PYTHON = `#!/usr/bin/python3
import rt, os, json, urllib.request, urllib.error
def ask(method, url, body=None, headers={}):
    request = urllib.request.Request(url, method=method, data=body and body.encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as r: return [r.status, r.read().decode()]
    except urllib.error.HTTPError as e: return {"code": json.loads(e.read())["error"]["code"]}
BOUND = os.environ["ISOPOD_BINDINGS"]
def send(body):
    got = ask("POST", BOUND + "/JOBS/messages", json.dumps([{"type": "json", "body": json.dumps(body)}]))
    return got if isinstance(got, dict) else "sent"
def handle(event):
    q = event["queryStringParameters"]
    if q["do"] == "function": return ask("POST", BOUND + "/OTHER/p%20q?a=b", "sent")
    if q["do"] == "gone": return ask("GET", BOUND + "/GONE/")
    if q["do"] == "queue": return send("from process")
    if q["do"] == "large": return send("x" * (128 * 1024 + 1))
    if q["do"] == "secret": return [os.environ["TOKEN"], os.environ["SEALED"] != "sealed-value"]
    if q["do"] == "egress":
        # Clients take no proxy to localhost, which is outside for this test.
        c = rt.http.client.HTTPConnection("127.0.0.1", 9002)
        c.request("GET", q["out"], headers={"authorization": "Bearer " + os.environ["SEALED"]})
        r = c.getresponse()
        return [r.status, r.read().decode()]
    return ask("GET", "http://elsewhere.example/")
rt.serve(handle)
`;

const OTHER = `
export default async (request) =>
  new Response([request.headers.get("isopod-caller"), new URL(request.url).pathname, new URL(request.url).search, await request.text()].join(" "));
`;

const SINK = `
export default {
  fetch: () => new Response("sink"),
  async queue(batch, env) {
    for (const { body } of batch.messages) await fetch(env.OUT, { method: "POST", body });
  },
};
`;

/** The engines, and what a function of each is in the configuration. */
const ENGINES = [
  ["script", 'path = "./f.js"'],
  ["process", 'path = "./f"\ncommand = "python3 -u main.py"'],
] as const;

let server: TestServer;
let outside: Bun.Server<undefined>;
const delivered = new Map<string, PromiseWithResolvers<void>>();

beforeAll(async () => {
  for (const [name] of ENGINES) delivered.set(`from ${name}`, Promise.withResolvers());
  outside = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    async fetch(request) {
      if (request.method === "POST") delivered.get(await request.text())?.resolve();
      return new Response(request.headers.get("authorization") ?? "none");
    },
  });
  process.env["ISOPOD_BINDINGS_TEST"] = "token-value";
  process.env["ISOPOD_BINDINGS_SEALED"] = "sealed-value";
  const bindings = `
  [functions.bindings]
  OTHER = { type = "function", name = "other" }
  GONE = { type = "function", name = "gone" }
  JOBS = { type = "queue", name = "jobs" }
  TOKEN = { type = "secret", name = "token", value_env = "ISOPOD_BINDINGS_TEST" }
  SEALED = { type = "secret", name = "sealed", value_env = "ISOPOD_BINDINGS_SEALED", hosts = ["localhost"] }
`;
  const egress = `egress = ["localhost:${outside.port}"]`;
  const tables = ENGINES.map(
    ([name, table]) => `[[functions]]\nname = "${name}"\n${table}\nroutes = ["GET /${name}"]\n${egress}${bindings}`,
  );
  const sink = `[[functions]]\nname = "sink"\npath = "./sink.js"\n${egress}\nenv = { OUT = "http://localhost:${outside.port}/" }`;
  const rest = `[[functions]]\nname = "other"\npath = "./other.js"\n${sink}\n[[consumers]]\nqueue = "jobs"\nfunction = "sink"\n`;
  const files = { "f.js": SCRIPT, "f/main.py": PYTHON, "f/rt.py": RT, "other.js": OTHER, "sink.js": SINK };
  server = await startTestServer({ config: `${tables.join("")}${rest}`, files });
}, 30_000);
afterAll(async () => {
  delete process.env["ISOPOD_BINDINGS_TEST"];
  delete process.env["ISOPOD_BINDINGS_SEALED"];
  await server?.[Symbol.asyncDispose]();
  await outside.stop(true);
});

describe.each(ENGINES.map(([name]) => name))("a function of the engine %s", (name) => {
  const ask = async (what: string): Promise<unknown> => {
    const query = new URLSearchParams({ do: what, out: `http://localhost:${outside.port}/` });
    return (await fetch(`${server.url}/${name}?${query}`)).json();
  };

  test("calls the function that it is given, which is told who calls", async () => {
    expect(await ask("function")).toEqual([200, `function:${name} /p%20q ?a=b sent`]);
    expect(await ask("gone")).toEqual({ code: "not_found" });
  });

  test("sends messages, which reach the consumer", async () => {
    expect(await ask("queue")).toBe("sent");
    await delivered.get(`from ${name}`)?.promise;
    expect(await ask("large")).toEqual({ code: "value_too_large" });
  });

  test("has secrets, and those for the way out only there", async () => {
    expect(await ask("secret")).toEqual(["token-value", true]);
    expect(await ask("egress")).toEqual([200, "Bearer sealed-value"]);
    expect(await ask("outside")).toEqual({ code: "egress_denied" });
  });
});
