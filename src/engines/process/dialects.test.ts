/** The dialects `stdio` and `http`, the forms of events, and the ready-made runtimes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { askLogs } from "../../testing/log_client.ts";
import { errorOf, startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";

const LINES = `
import json, sys
sys.stderr.write("ready\\n")
for line in sys.stdin:
    event = json.loads(line)
    what = event.get("what")
    if what == "bad": print("{no json", flush=True)
    elif what == "long": print("y" * 500, flush=True)
    elif what == "fail": print('{"errorType":"Oops","errorMessage":"it went wrong"}', flush=True)
    elif what == "exit": sys.exit(4)
    elif what == "large": print('"' + "x" * (6 * 1024 * 1024 + 200) + '"', flush=True)
    else: print(json.dumps({"got": event}), flush=True)
`;

/** Say something that they were not asked for: at once, when their first event has come, or after their answer. */
const GREETS = {
  early: `echo 'hello "you"'; while read -r event; do echo 1; done`,
  late: `sleep 0.3; echo 'hello "you"'; while read -r event; do echo 1; done`,
  twice: "while read -r event; do printf '1\\n{\"a\":2}\\n'; done",
  shut: "exec >&-; while read -r event; do :; done",
} as const;
const GREETED =
  'The program wrote "hello \\"you\\"", which is not JSON: standard output is for answers, standard error for the log.';

const HTTP = (place: string) => `
import http.server, json, os, socket, socketserver, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/ready" and time.time() < started + 0.2:
            self.send_response(503); self.send_header("Content-Length", "0"); self.end_headers(); return
        if self.path.endswith("/sleep"): time.sleep(0.3)
        if self.path.endswith("/end"): os._exit(9)
        if self.path.endswith("/slow-end"):
            self.connection.shutdown(socket.SHUT_RDWR); time.sleep(0.4); os._exit(7)
        if self.path.endswith("/shut"): self.connection.shutdown(socket.SHUT_RDWR); return
        if self.path.endswith("/garbage"): self.wfile.write(b"no such protocol\\r\\n\\r\\n"); self.close_connection = True; return
        n = int(self.headers.get("Content-Length") or 0)
        body = json.dumps({"path": self.path, "method": self.command, "host": self.headers.get("Host"),
            "body": self.rfile.read(n).decode(), "pid": os.getpid(), "late": time.time() - started}).encode()
        self.send_response(202)
        self.send_header("Content-Type", "application/json"); self.send_header("X-Two", "1"); self.send_header("X-Two", "2")
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    do_POST = do_GET
    def address_string(self): return "x"
started = time.time()
${place}
`;
const ON_PORT = 'http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()';
const ON_SOCKET = `
class Server(socketserver.ThreadingUnixStreamServer): pass
Server(os.environ["PORT"], Handler).serve_forever()`;

const FUNCTIONS = {
  ...Object.fromEntries(
    Object.entries(GREETS).map(([name, text]) => [
      name,
      { code: "", files: { "main.sh": text }, config: 'dialect = "stdio"\ncommand = "sh main.sh"' },
    ]),
  ),
  chatty: {
    code: LINES.replace("import json, sys", "import json, sys\nsys.stdout = open('/tmp/runtime-output', 'w')").replace(
      "in sys.stdin",
      "in open('/tmp/runtime-input')",
    ),
    config: 'dialect = "stdio"\nlines = "pipes"\nevent = "json"',
  },
  lines: { code: LINES, config: 'dialect = "stdio"\nevent = "json"' },
  pipes: {
    code: `
import json, sys
print("the log", sys.argv[1], flush=True)
answers = open("/tmp/runtime-output", "w")
for line in open("/tmp/runtime-input"):
    answers.write(json.dumps({"handler": sys.argv[1], "event": json.loads(line)}) + "\\n")
    answers.flush()
`,
    config: 'dialect = "stdio"\nlines = "pipes"\nevent = "json"\nhandler = "a.b"',
  },
  python: {
    code: `
import os
count = 0
def handle(event, context):
    global count
    count += 1
    print("a line of the log")
    if event["rawPath"].endswith("/throw"): raise ValueError("no good")
    return {"statusCode": 418, "headers": {"x-n": str(count)}, "cookies": ["a=1"], "body": context.function_name}
`,
    config: 'runtime = "python"\nhandler = "main.handle"',
  },
  node: {
    code: "",
    files: {
      "app.mjs": `
export async function handle(event) {
  console.log("a line of the log");
  if (event.rawPath.endsWith("/throw")) throw new TypeError("no good");
  return { path: event.rawPath };
}`,
    },
    config: 'runtime = "node"\nhandler = "app.handle"',
  },
  cloud: { code: "import rt\nrt.serve(lambda event: event)", config: 'event = "cloudevent"' },
  raw: {
    code: "import sys\nfor line in sys.stdin: print(line.rstrip('\\n'), flush=True)",
    config: 'dialect = "stdio"\nevent = "json"',
  },
  "raw-cloud": {
    code: "import sys\nfor line in sys.stdin: print(line.rstrip('\\n'), flush=True)",
    config: 'dialect = "stdio"\nevent = "cloudevent"',
  },
  plain: { code: "import rt\nrt.serve(lambda event: event)", config: 'event = "json"' },
  web: { code: HTTP(ON_PORT), config: 'dialect = "http"\nreadiness = "/ready"\nlimits = { concurrency = 8 }' },
  sock: { code: HTTP(ON_SOCKET), config: 'dialect = "http"\nenv = { PORT = "/tmp/app.sock" }' },
};

let server: TestServer;
beforeAll(async () => {
  server = await startProcesses(FUNCTIONS);
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const get = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);
const post = (path: string, value: unknown, headers: Record<string, string> = {}) =>
  get(path, {
    method: "POST",
    body: JSON.stringify(value),
    headers: { "content-type": "application/json", ...headers },
  });
const value = async (answer: Promise<Response>) => (await (await answer).json()) as Record<string, unknown>;

describe("stdio", () => {
  test("is one JSON document a line", async () => {
    for (const word of ["a", "b\nc", "\u2028"]) {
      expect(await value(post("/lines", { word }))).toEqual({ got: { word } });
    }
  });

  test("an error in AWS's form is the handler's, and the program goes on", async () => {
    const answer = await post("/lines", { what: "fail" });
    expect(await errorOf(answer)).toMatchObject({ code: "uncaught_exception", message: "Oops: it went wrong" });
    expect(await value(post("/lines", {}))).toEqual({ got: {} });
  });

  test("what is no JSON, too large, or an end, is an error with a name", async () => {
    for (const [what, code] of [
      ["bad", "dialect_error"],
      ["large", "response_limit"],
      ["exit", "program_ended"],
    ] as const) {
      const answer = await post("/lines", { what });
      expect([what, ((await answer.json()) as { error?: { code: string } }).error?.code]).toEqual([what, code]);
      expect(await value(post("/lines", { what: "" }))).toEqual({ got: { what: "" } });
    }
  });

  test.each([
    ["early", GREETED],
    ["late", GREETED],
    ["shut", "The program has closed its standard output."],
  ])("what a program does before it is asked is the same error each time: %s", async (name, message) => {
    for (let count = 0; count < 4; count += 1) {
      expect(await errorOf(await get(`/${name}`))).toMatchObject({ code: "dialect_error", message });
    }
  });

  test("a second answer is shown in the log", async () => {
    expect(await (await get("/twice")).text()).toBe("1");
    const said = await settled("a line of the log", async () => {
      const { items } = await askLogs(server, { function: "twice" });
      return items.find((item) => item.kind === "line");
    });
    expect(said).toMatchObject({
      text: 'The program wrote "{\\"a\\":2}" when it was not asked: standard output is for answers, standard error for the log.',
    });
  });

  test("a line that is no answer is shown, and where it should go", async () => {
    const { message } = await errorOf(await post("/lines", { what: "bad" }));
    expect(message).toBe(
      'The program wrote "{no json", which is not JSON: standard output is for answers, standard error for the log.',
    );
    const { message: piped } = await errorOf(await post("/chatty", { what: "long" }));
    expect(piped).toBe(
      `The program wrote "${"y".repeat(120)}", which is not JSON: /tmp/runtime-output is for answers, standard output for the log.`,
    );
  });

  test("on named pipes has the handler as its argument", async () => {
    for (let count = 0; count < 3; count += 1) {
      expect(await value(post("/pipes", { count }))).toEqual({ handler: "a.b", event: { count } });
    }
  });
});

describe("a ready-made runtime", () => {
  test("for Python calls module.function", async () => {
    const answer = await get("/python");
    expect([answer.status, answer.headers.get("x-n"), answer.headers.get("set-cookie"), await answer.text()]).toEqual([
      418,
      "1",
      "a=1",
      "python",
    ]);
    expect(await errorOf(await get("/python/throw"))).toMatchObject({ message: "ValueError: no good" });
    expect((await get("/python")).headers.get("x-n")).toBe("3");
  });

  const hasNode = Bun.which("node", { PATH: "/usr/local/bin:/usr/bin:/bin" }) !== null;
  test.skipIf(!hasNode)(
    "for Node calls module.export (skipped where the machine's own folders have no node)",
    async () => {
      expect(await value(get("/node"))).toEqual({ path: "/node" });
      expect(await errorOf(await get("/node/throw"))).toMatchObject({ message: "TypeError: no good" });
    },
  );
});

describe("an event", () => {
  test("has JSON as it was written, on one line", async () => {
    const written = '{"id": 12345678901234567890,\r\n "f": 1.0, "dup": 1, "dup": 2,\n"e": 1e400}';
    const onOne = '{"id": 12345678901234567890,   "f": 1.0, "dup": 1, "dup": 2, "e": 1e400}';
    const send = async (path: string, body: string, headers: Record<string, string> = {}) =>
      (await get(path, { method: "POST", body, headers: { "content-type": "application/json", ...headers } })).text();
    expect(await send("/raw", `\ufeff${written}`)).toBe(onOne);
    const ce = { "ce-specversion": "1.0", "ce-id": "a", "ce-source": "/s", "ce-type": "t" };
    expect(await send("/raw-cloud", written, ce)).toEndWith(`"datacontenttype":"application/json","data":${onOne}}`);
    const event = `{"specversion":"1.0","id":"a","source":"/s","type":"t",\n"data":${written}}`;
    const structured = { "content-type": "application/cloudevents+json" };
    expect(await send("/raw-cloud", event, structured)).toBe(event.replace(/[\r\n]/g, " "));
    const invoked = await server.admin("/2015-03-31/functions/raw/invocations", { method: "POST", body: written });
    expect(await invoked.text()).toBe(onOne);
  });

  test("is made of a request for a WebSocket too, and its answer declines it", async () => {
    const shake = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const headers = { ...shake, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    for (const path of ["/cloud", "/plain", "/python"]) {
      const answer = await get(path, { headers, signal: AbortSignal.timeout(5000) });
      expect([path, answer.status]).toEqual([path, path === "/python" ? 418 : 200]);
    }
  });

  test("may be the body as it is", async () => {
    expect(await value(post("/plain", { a: [1] }))).toEqual({ a: [1] });
    expect(await errorOf(await get("/plain", { method: "POST", body: "{" }))).toMatchObject({ code: "bad_request" });
  });

  test("may be a CloudEvent, made of a request or given as one", async () => {
    const made = await value(post("/cloud/a?b=1", { x: 1 }));
    expect(made).toMatchObject({ specversion: "1.0", subject: "/cloud/a?b=1", data: { x: 1 } });
    const ce = { "ce-specversion": "1.0", "ce-id": "7", "ce-source": "/s", "ce-type": "t", "ce-ext": "e%20f" };
    const binary = await value(post("/cloud", { y: 2 }, ce));
    expect(binary).toMatchObject({ id: "7", source: "/s", type: "t", ext: "e f", data: { y: 2 } });
    const event = { specversion: "1.0", id: "8", source: "/s", type: "t", data: "d" };
    const answer = await post("/cloud", event, { "content-type": "application/cloudevents+json" });
    expect(answer.headers.get("content-type")).toBe("application/cloudevents+json");
    expect(await answer.json()).toEqual(event);
  });
});

describe("http", () => {
  test("gives requests to a program that listens, once it is ready", async () => {
    const answer = await post("/web/a?b=c", { d: 1 });
    expect([answer.status, answer.headers.get("x-two")]).toEqual([202, "1, 2"]);
    const told = (await answer.json()) as { late: number };
    expect(told).toMatchObject({ path: "/web/a?b=c", method: "POST", body: '{"d":1}', host: new URL(server.url).host });
    expect(told.late).toBeGreaterThanOrEqual(0.2);
  });

  test("many at a time, when the function allows it", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => value(get("/web/sleep"))));
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(1);
  });

  test("that ends, or speaks something else, is told by its name, and the next has an answer", async () => {
    expect(await errorOf(await get("/web/end"))).toMatchObject({
      code: "program_ended",
      message: expect.stringContaining("exit code 9"),
    });
    expect((await get("/web/x")).status).toBe(202);
    expect(await errorOf(await get("/web/garbage"))).toMatchObject({ code: "dialect_error" });
    expect((await get("/web/x")).status).toBe(202);
  });

  test("that breaks its connection before it ends is told by its end, and one that lives by the connection", async () => {
    const ending = await errorOf(await get("/web/slow-end"));
    expect(ending).toMatchObject({ code: "program_ended", message: expect.stringContaining("exit code 7") });
    expect(await errorOf(await get("/web/shut"))).toMatchObject({ code: "dialect_error" });
    const began = performance.now();
    expect(await errorOf(await get("/web/garbage"))).toMatchObject({ code: "dialect_error" });
    expect(performance.now() - began).toBeLessThan(900);
  });

  test("on a Unix socket", async () => {
    expect(await value(get("/sock/x"))).toMatchObject({ path: "/sock/x", method: "GET" });
  });
});
