/** Extensions, telemetry, layers and wrapper scripts, through a real server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { accountIdOf } from "../../core/account.ts";
import { askLogs } from "../../testing/log_client.ts";
import { errorOf, startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";

/** An external extension that writes what it is told to a file which the function shows, and to its own output. */
const EXTENSION = `#!/usr/bin/python3
import http.client, http.server, json, os, sys, threading
NAME = os.path.basename(sys.argv[0])
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, "/2020-01-01/extension/" + path, body, headers)
    r = api.getresponse()
    return r.status, r.headers, r.read().decode()
def note(value):
    with open("/tmp/" + NAME, "a") as f: f.write(json.dumps(value) + "\\n")
s, h, b = call("POST", "register", json.dumps({"events": ["INVOKE", "SHUTDOWN"]}), {"Lambda-Extension-Name": NAME, "Lambda-Extension-Accept-Feature": "accountId"})
ID = {"Lambda-Extension-Identifier": h["Lambda-Extension-Identifier"]}
note(["registered", s, json.loads(b)])
note(["again", json.loads(call("POST", "register", "{}", {"Lambda-Extension-Name": NAME})[2])["errorType"]])
note(["stranger", call("GET", "event/next", None, {"Lambda-Extension-Identifier": "x"})[0]])
note(["nameless", call("GET", "event/next")[0]])
class Sink(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open("/tmp/telemetry", "a") as f:
            for e in events: f.write(json.dumps(e) + "\\n")
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
if NAME == "watcher":
    server = http.server.HTTPServer(("0.0.0.0", 4243), Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    def subscribe(value):
        t.request("PUT", "/2022-07-01/telemetry", json.dumps(value), ID)
        r = t.getresponse()
        return [r.status, r.read().decode()]
    note(["bad", subscribe({"types": ["odd"], "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"}})[0]])
    note(["subscribed", subscribe({"schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"], "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243"}})])
while True:
    s, h, b = call("GET", "event/next", None, ID)
    event = json.loads(b)
    note(event)
    print(NAME, event["eventType"], flush=True)
    if event["eventType"] == "SHUTDOWN": sys.exit(0)
`;

const FUNCTION = `
import rt, os, threading
def internal():
    c = rt.fresh()
    def ext(method, path, body=None, headers={}):
        return rt.call(method, "/2020-01-01/extension/" + path, body, headers, at=c)
    refused = rt.json.loads(ext("POST", "register", '{"events":["SHUTDOWN"]}', {"Lambda-Extension-Name": "inner"})[2])["errorType"]
    s, h, b = ext("POST", "register", '{"events":["INVOKE"]}', {"Lambda-Extension-Name": "inner"})
    told.append([refused, s])
    while True:
        s, _, b = ext("GET", "event/next", None, {"Lambda-Extension-Identifier": h["Lambda-Extension-Identifier"]})
        told.append(rt.json.loads(b)["requestId"])
told = []
threading.Thread(target=internal, daemon=True).start()
while not told: rt.time.sleep(0.001)
def handle(event):
    print("a line of the function", flush=True)
    lines = {}
    for name in ("watcher", "other", "telemetry"):
        try: lines[name] = [rt.json.loads(line) for line in open("/tmp/" + name)]
        except FileNotFoundError: lines[name] = []
    late = rt.call("POST", "/2020-01-01/extension/register", "{}", {"Lambda-Extension-Name": "late"}, at=rt.fresh())
    return {"lines": lines, "told": told, "late": rt.json.loads(late[2])["errorType"], "opt": sorted(os.listdir("/opt")),
        "both": open("/opt/both").read(), "wrapped": os.environ.get("WRAPPED"), "argv": rt.sys.argv[1:]}
rt.serve(handle)
`;

const LAYERS = {
  "one/extensions/watcher": EXTENSION,
  "one/both": "one",
  "one/wrap": '#!/bin/sh\nexport WRAPPED="$1"\nexec "$@" --wrapped\n',
  "two/extensions/other": EXTENSION,
  "two/both": "two",
  "dies/extensions/dies": "#!/bin/sh\nexit 9\n",
  "refuses/extensions/refuses": `#!/usr/bin/python3
import http.client, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
api.request("POST", "/2020-01-01/extension/register", "{}", {"Lambda-Extension-Name": "refuses"})
r = api.getresponse(); r.read()
api.request("POST", "/2020-01-01/extension/init/error", "{}", {"Lambda-Extension-Identifier": r.headers["Lambda-Extension-Identifier"], "Lambda-Extension-Function-Error-Type": "Extension.NoKey"})
api.getresponse().read()
time.sleep(60)
`,
};

const PLAIN = "import rt\nrt.serve(lambda event: event)";

let server: TestServer;
beforeAll(async () => {
  server = await startProcesses(
    {
      full: {
        code: FUNCTION,
        config:
          'layers = ["one", "two"]\ninstances = 1\nenv = { AWS_LAMBDA_EXEC_WRAPPER = "/opt/wrap" }\nlimits = { memory_mb = 256 }',
      },
      dies: { code: PLAIN, config: 'layers = ["dies"]' },
      refuses: { code: PLAIN, config: 'layers = ["refuses"]' },
    },
    LAYERS,
  );
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

interface Told {
  readonly lines: Readonly<Record<string, readonly (Record<string, unknown> | unknown[])[]>>;
  readonly told: readonly unknown[];
  readonly late: string;
  readonly opt: readonly string[];
  readonly both: string;
  readonly wrapped: string;
  readonly argv: readonly string[];
}
const ask = async () => (await (await fetch(`${server.url}/full`)).json()) as Told;

describe("extensions", () => {
  test("register, are told of invocations, and hold them until they ask for the next", async () => {
    await ask();
    const second = await ask();
    for (const name of ["watcher", "other"]) {
      const lines = second.lines[name] ?? [];
      expect(lines[0]).toEqual([
        "registered",
        200,
        expect.objectContaining({ functionName: "full", accountId: accountIdOf("default") }),
      ]);
      expect(lines).toContainEqual(["again", "Extension.AlreadyRegistered"]);
      expect(lines).toContainEqual(["stranger", 403]);
      expect(lines).toContainEqual(["nameless", 403]);
      const invoke = lines.filter((line) => "eventType" in line) as Record<string, unknown>[];
      expect(invoke[0]).toMatchObject({
        eventType: "INVOKE",
        requestId: expect.any(String),
        deadlineMs: expect.any(Number),
        invokedFunctionArn: expect.stringMatching(/^arn:aws:lambda/),
        tracing: { type: "X-Amzn-Trace-Id", value: expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24};/) },
      });
    }
    expect(second.told[0]).toEqual(["Extension.InvalidEventType", 200]);
    expect(second.told.length).toBeGreaterThanOrEqual(2);
    expect(second.late).toBe("Extension.RegistrationClosed");
  });

  test("that subscribe to telemetry get what happened and what was written", async () => {
    const wanted = ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"].map(
      (name) => `platform.${name}`,
    );
    let events: readonly { type: string; record: unknown; time: string }[] = [];
    // Batches come when they are full or their time is over: asked for until they have.
    while (![...wanted, "function", "extension"].every((type) => events.some((event) => event.type === type))) {
      const { lines } = await ask();
      expect(lines["watcher"]).toContainEqual(["bad", 400]);
      expect(lines["watcher"]).toContainEqual(["subscribed", [200, "OK"]]);
      events = lines["telemetry"] as never;
    }
    expect(events).toContainEqual(expect.objectContaining({ type: "function", record: "a line of the function" }));
    expect(events).toContainEqual(expect.objectContaining({ type: "extension", record: "watcher INVOKE" }));
    // What AWS's own clients will not read the event without.
    expect(events.find(({ type }) => type === "platform.report")?.record).toMatchObject({
      status: "success",
      metrics: {
        durationMs: expect.any(Number),
        memorySizeMB: expect.any(Number),
        maxMemoryUsedMB: expect.any(Number),
      },
      spans: [
        { name: "extensionOverhead", start: expect.stringMatching(/^\d{4}-.*Z$/), durationMs: expect.any(Number) },
      ],
    });
  });

  test("are told of the end, waited for, and heard until then", async () => {
    const config = 'layers = ["two"]\n[pool]\nidle_ms = 100';
    await using own = await startProcesses({ end: { code: PLAIN, config } }, LAYERS);
    await fetch(`${own.url}/end`);
    await settled("the last line of the extension in the log", async () => {
      const { items } = await askLogs(own, { limit: "1000" });
      return items.some((item) => item.kind === "line" && item.text === "other SHUTDOWN") ? true : undefined;
    });
  });

  test("that end, or fail to start, end the instance with a name", async () => {
    expect(await errorOf(await fetch(`${server.url}/dies`))).toMatchObject({ code: "program_ended" });
    await settled("the name of the extension that ended in the log", async () => {
      const { items } = await askLogs(server, { limit: "1000", order: "newest" });
      const said = 'The extension "dies" ended with 9';
      return items.some((item) => item.kind === "line" && item.text === said) ? true : undefined;
    });
    const { code, message } = await errorOf(await fetch(`${server.url}/refuses`));
    expect([code, message]).toEqual(["init_failed", 'The extension "refuses" failed: Extension.NoKey']);
  });
});

test("layers are unpacked in their order, and a wrapper script starts the program", async () => {
  const { opt, both, wrapped, argv } = await ask();
  expect({ opt, both, wrapped, argv }).toEqual({
    opt: ["both", "extensions", "wrap"],
    both: "two",
    wrapped: "python3",
    argv: ["--wrapped"],
  });
});
