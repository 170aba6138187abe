/** Everything that a program can do wrong: each is an error with a name, and the next caller has a new instance. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { logsOf } from "../../testing/log_client.ts";
import { errorOf, startProcesses } from "../../testing/process_rig.ts";
import { RawClient } from "../../testing/raw_client.ts";
import type { TestServer } from "../../testing/server.ts";

/** Answers with its pid-like birth mark unless the path says what to do. */
const program = (special: string) => `
import rt, os, sys, signal, threading
born = rt.time.time_ns()
while True:
    id, event, headers = rt.next()
    if event["rawPath"].endswith("/wrong"):
${special
  .trim()
  .split("\n")
  .map((line) => `        ${line}`)
  .join("\n")}
    rt.answer(id, {"born": born})
`;

const WRONG: Readonly<Record<string, { code: string; error: string; message: RegExp; config?: string }>> = {
  crash: {
    code: "os.kill(os.getpid(), signal.SIGSEGV)",
    error: "program_ended",
    message: /by signal 11 \(exit code 139\)/,
  },
  exit: { code: "os._exit(7)", error: "program_ended", message: /with exit code 7/ },
  zero: { code: "sys.exit(0)", error: "program_ended", message: /with exit code 0/ },
  odd: { code: "os._exit(201)", error: "program_ended", message: /with exit code 201/ },
  id: {
    code: 's, h, b = rt.answer("00000000-dead", {})\nrt.time.sleep(60)',
    error: "dialect_error",
    message: /"00000000-dead", which is not the present one/,
  },
  large: {
    code: 'rt.call("POST", rt.RUNTIME + "invocation/" + id + "/response", b"x" * (6 * 1024 * 1024 + 101))',
    error: "response_limit",
    message: /6291556 bytes/,
  },
  json: {
    code: 'rt.call("POST", rt.RUNTIME + "invocation/" + id + "/response", "{not json")',
    error: "dialect_error",
    message: /not JSON/,
  },
  status: { code: 'rt.answer(id, {"statusCode": 99})', error: "dialect_error", message: /statusCode is 99/ },
  truncated: {
    code: `s = rt.raw("POST " + rt.RUNTIME + "invocation/" + id + "/response HTTP/1.1\\r\\nContent-Length: 100\\r\\n\\r\\n{}")
s.close()
rt.time.sleep(60)`,
    error: "dialect_error",
    message: /truncated/,
  },
  "cut-error": {
    code: `s = rt.raw("POST " + rt.RUNTIME + "invocation/" + id + "/error HTTP/1.1\\r\\nContent-Length: 100\\r\\n\\r\\n{}")
s.close()
rt.time.sleep(60)`,
    error: "dialect_error",
    message: /cut off/,
  },
  deaf: {
    code: "rt.time.sleep(60)",
    error: "wall_limit",
    message: /wall_ms = 5000/,
    config: "grace_ms = 100\nlimits = { wall_ms = 5000 }",
  },
  burning: {
    code: "while True: pass",
    error: "cpu_limit",
    message: /cpu_ms = 300/,
    config: "limits = { cpu_ms = 300 }",
  },
  children: {
    code: 'import subprocess\nsubprocess.run(["sh", "-c", "while :; do :; done"])',
    error: "cpu_limit",
    message: /cpu_ms = 300/,
    config: "limits = { cpu_ms = 300 }",
  },
};

const OTHERS = {
  twice: `
import rt
born = rt.time.time_ns()
while True:
    id, event, headers = rt.next()
    rt.answer(id, {"born": born})
    s, h, b = rt.answer(id, {"second": True})
    print("second answer:", s, b.decode(), flush=True)
`,
  dead: "import sys\nprint('last words', flush=True)\nsys.exit(3)",
  missing: { code: "", config: 'command = "no-such-program"' },
  init: `
import rt
rt.call("POST", rt.RUNTIME + "init/error", '{"errorType":"NoConfig","errorMessage":"DB is not set"}')
rt.time.sleep(60)
`,
  silent: { code: "import time\ntime.sleep(60)", config: "limits = { wall_ms = 600 }" },
  graceful: {
    code: `
import rt, signal
class Late(Exception): pass
def late(*a): raise Late()
signal.signal(signal.SIGTERM, late)
born = rt.time.time_ns()
while True:
    id, event, headers = rt.next()
    try:
        if event["rawPath"].endswith("/slow"): rt.time.sleep(60)
        rt.answer(id, {"born": born})
    except Late:
        rt.answer(id, {"cut": True, "left": int(headers["Lambda-Runtime-Deadline-Ms"]) - rt.time.time() * 1000})
        raise SystemExit(0)
`,
    config: "grace_ms = 1500\nlimits = { wall_ms = 4000 }",
  },
  stubborn: {
    code: `
import rt, signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    id, event, headers = rt.next()
    subprocess.Popen(["sh", "-c", "trap '' TERM; setsid sleep 300"])
    rt.time.sleep(300)
`,
    config: "grace_ms = 300\nlimits = { wall_ms = 600 }",
  },
  hung: {
    code: `
import rt
born = rt.time.time_ns()
while True:
    id, event, headers = rt.next()
    if event["rawPath"].endswith("/slow"):
        s = rt.raw("POST " + rt.RUNTIME + "invocation/" + id + "/response HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\\r\\n\\r\\n5\\r\\nfirst\\r\\n")
        rt.time.sleep(60)
    rt.answer(id, {"born": born})
`,
    config: "instances = 1\nlimits = { wall_ms = 20000 }",
  },
  failing: {
    code: `
import rt, os
while True:
    id, event, headers = rt.next()
    if event["rawPath"].endswith("/fail"):
        rt.time.sleep(0.2)
        rt.call("POST", rt.RUNTIME + "invocation/" + id + "/error", '{"errorType":"Bad","errorMessage":"it"}')
        os._exit(1)
    rt.answer(id, {"ok": 1})
`,
    config: "instances = 1",
  },
  late: {
    code: `
import rt, os, signal
signal.signal(signal.SIGTERM, lambda *_: None)
while True:
    id, event, headers = rt.next()
    if event["rawPath"].endswith("/exit"): os._exit(3)
    rt.time.sleep(0.3)
    rt.answer(id, {"ok": 1})
`,
    config: "instances = 1\ngrace_ms = 9900\nlimits = { wall_ms = 10000 }",
  },
  frames: `
import rt
while True:
    id, event, headers = rt.next()
    rt.call("POST", rt.RUNTIME + "invocation/" + id + "/error", rt.json.dumps({"errorType": "panic", "errorMessage": "in Go",
        "stackTrace": [{"path": "main.go", "line": 7, "label": "main.handle"}, "as text", {"other": 1}]}))
`,
  halves: `
import rt, sys
while True:
    id, event, headers = rt.next()
    sys.stdout.write("of " + event["rawPath"])
    sys.stdout.flush()
    rt.time.sleep(0.05)
    rt.answer(id, {})
`,
  half: `
import rt
id, event, headers = rt.next()
rt.answer(id, {"ok": 1})
raise SystemExit(5)
`,
};

/** Programs of every dialect that take too long, with the time for their end that they have when nobody says anything. */
const SLOW = {
  "slow-api": { code: "import rt\nrt.serve(lambda event: rt.time.sleep(60))", config: "limits = { wall_ms = 2000 }" },
  "slow-python": {
    code: "import time\ndef handle(event, context): time.sleep(60)",
    config: 'runtime = "python"\nhandler = "main.handle"\nlimits = { wall_ms = 2000 }',
  },
  "slow-node": {
    code: "",
    files: { "app.mjs": "export const handle = () => new Promise((resolve) => setTimeout(resolve, 60_000));" },
    config: 'runtime = "node"\nhandler = "app.handle"\nlimits = { wall_ms = 2000 }',
  },
  "slow-lines": {
    code: "",
    files: { "main.sh": "while read -r line; do sleep 60; done" },
    config: 'dialect = "stdio"\ncommand = "sh main.sh"\nlimits = { wall_ms = 2000 }',
  },
  "slow-pipes": {
    code: "import sys\nfor line in open('/tmp/runtime-input'): sys.stdin.read() or __import__('time').sleep(60)",
    config: 'dialect = "stdio"\nlines = "pipes"\nhandler = "a.b"\nlimits = { wall_ms = 2000 }',
  },
  "slow-http": {
    code: `
import http.server, os, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self): time.sleep(60)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Slow).serve_forever()`,
    config: 'dialect = "http"\nlimits = { wall_ms = 2000 }',
  },
};

let server: TestServer;
beforeAll(async () => {
  const wrong = Object.entries(WRONG).map(([name, { code, config = "" }]) => [
    name,
    { code: program(code), config: `instances = 1\n${config}` },
  ]);
  server = await startProcesses({ ...Object.fromEntries(wrong), ...OTHERS, ...SLOW });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const get = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);
const born = async (path: string) => ((await (await get(path)).json()) as { born: number }).born;

describe("an invocation that goes wrong is an error, and the instance another one", () => {
  for (const [name, { error, message }] of Object.entries(WRONG)) {
    test.concurrent(name, async () => {
      const first = await born(`/${name}`);
      const answer = await get(`/${name}/wrong`);
      const told = await errorOf(answer);
      expect(told).toMatchObject({ code: error });
      expect(told.message).toMatch(message);
      expect(answer.status).toBe(error === "wall_limit" ? 504 : 500);
      expect(await born(`/${name}`)).toBeGreaterThan(first);
    });
  }
});

test.concurrent("who waits behind one that fails and ends its program is answered by another", async () => {
  for (let round = 0; round < 3; round += 1) {
    const failing = get("/failing/fail");
    const waiting = await get("/failing");
    expect([waiting.status, await waiting.text()]).toEqual([200, '{"ok": 1}']);
    expect(await errorOf(await failing)).toMatchObject({ code: "uncaught_exception", message: "Bad: it" });
  }
});

test.concurrent("who comes after one that was told of a failure and left is answered by another", async () => {
  for (let round = 0; round < 3; round += 1) {
    using leaving = await RawClient.connect(server.port);
    leaving.send("GET /failing/fail HTTP/1.1\r\nhost: localhost\r\n\r\n");
    expect((await leaving.response())?.status).toBe(500);
    leaving.socket.destroy();
    const following = await get("/failing");
    expect([following.status, await following.text()]).toEqual([200, '{"ok": 1}']);
  }
});

test.concurrent("an answer that came late does not make the next failure one of the wall limit", async () => {
  expect((await get("/late")).status).toBe(200);
  expect(await errorOf(await get("/late/exit"))).toMatchObject({ code: "program_ended" });
});

test.concurrent("two answers: the first counts, the second is refused, and the instance is another one", async () => {
  const first = await born("/twice");
  expect(await born("/twice")).toBeGreaterThan(first);
});

test.concurrent("a stack is lines of text, also where a language has objects", async () => {
  const answer = await get("/frames");
  const error = (await logsOf(server, answer)).find(({ kind }) => kind === "error");
  expect(error).toMatchObject({ text: 'panic: in Go\nmain.handle (main.go:7)\nas text\n{"other":1}' });
});

test.concurrent("what is written without an end of line is a line of the invocation that wrote it", async () => {
  for (const path of ["/halves/first", "/halves/second"]) {
    const lines = (await logsOf(server, await get(path))).flatMap((item) => (item.kind === "line" ? [item.text] : []));
    expect(lines).toEqual([`of ${path}`]);
  }
});

test.concurrent("a program that ends after its answer has answered, and nobody else suffers", async () => {
  for (let count = 0; count < 5; count += 1) expect(await (await get("/half")).json()).toEqual({ ok: 1 });
});

describe("a start that fails", () => {
  test.concurrent("by an end is told with its exit code", async () => {
    const { code, message } = await errorOf(await get("/dead"));
    expect([code, message]).toEqual(["program_ended", expect.stringContaining("exit code 3")]);
  });

  test.concurrent("because there is no such program is told with its name", async () => {
    const { code, message } = await errorOf(await get("/missing"));
    expect([code, message]).toEqual(["init_failed", expect.stringContaining("no-such-program")]);
  });

  test.concurrent("by init/error is told in the program's words", async () => {
    const { code, message } = await errorOf(await get("/init"));
    expect([code, message]).toEqual(["init_failed", "NoConfig: DB is not set"]);
  });

  test.concurrent("because it never asks for an event ends at the wall limit", async () => {
    const answer = await get("/silent");
    expect([answer.status, (await errorOf(answer)).code]).toEqual([504, "wall_limit"]);
  });
});

describe("a timeout", () => {
  test.concurrent.each(Object.keys(SLOW))("is one, and named, in every dialect: %s", async (name) => {
    const answer = await get(`/${name}`);
    const { code, message } = await errorOf(answer);
    expect([answer.status, code, message]).toEqual([504, "wall_limit", expect.stringContaining("wall_ms = 2000")]);
  });

  test.concurrent("is told by SIGTERM, with the time that is left, and the answer still counts", async () => {
    const first = await born("/graceful");
    const { cut, left } = (await (await get("/graceful/slow")).json()) as { cut: boolean; left: number };
    expect(cut).toBeTrue();
    expect(left).toBeGreaterThan(100);
    expect(left).toBeLessThanOrEqual(1510);
    expect(await born("/graceful")).toBeGreaterThan(first);
  });

  test.concurrent("that is ignored ends everything, also what has left its group", async () => {
    const answer = await get("/stubborn");
    expect([answer.status, (await errorOf(answer)).code]).toEqual([504, "wall_limit"]);
  });
});

test.concurrent("a caller who hangs up ends what works for it, and the next has another instance", async () => {
  const first = await born("/hung");
  const abort = new AbortController();
  const begun = await get("/hung/slow", { signal: abort.signal });
  expect(begun.status).toBe(200);
  abort.abort();
  expect(await born("/hung")).toBeGreaterThan(first);
});
