/** The `runtime-api` dialect through a real server: events and answers, streams, states, and every way to do it wrong. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { accountIdOf } from "../../core/account.ts";
import { errorOf, startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

const FUNCTIONS = {
  echo: "import rt\nrt.serve(lambda event: event)",
  env: "import rt, os\nrt.serve(lambda event: dict(os.environ))",
  next: `
import rt
while True:
    id, event, headers = rt.next()
    again, same, more = rt.next()
    rt.answer(id, {"same": id == again and event == same, "headers": dict(headers)})
`,
  four: {
    code: `
import rt
born = rt.time.time_ns()
count = 0
while True:
    id, event, headers = rt.next()
    count += 1
    rt.time.sleep(0.005)
    rt.answer(id, {"born": born, "count": count, "path": event["rawPath"], "id": id})
`,
    // A caller's place is free again when the runtime has asked for the next event, which may be after the next round begins.
    config: "instances = 4\n[plans.anonymous]\nconcurrency = 256",
  },
  waits: {
    code: `
import rt, threading, queue
events = queue.Queue()
def wait():
    c = rt.fresh()
    while True:
        s, headers, body = rt.call("GET", rt.RUNTIME + "invocation/next", at=c)
        events.put((headers["Lambda-Runtime-Aws-Request-Id"], rt.json.loads(body)))
        done.acquire()
done = threading.Semaphore(0)
for n in range(2): threading.Thread(target=wait, daemon=True).start()
count = 0
seen = set()
while True:
    id, event = events.get()
    # Who asks while an event is being worked on, which the second may do late, is given that one again, as by AWS.
    if id in seen:
        done.release()
        continue
    seen.add(id)
    count += 1
    s, h, b = rt.answer(id, {"count": count, "path": event["rawPath"], "status": 202})
    done.release()
`,
    config: "instances = 1",
  },
  counter: `
import rt
count = 0
while True:
    id, event, headers = rt.next()
    count += 1
    if event["rawPath"].endswith("/error"):
        body = '{"errorType":"Boom","errorMessage":"it broke","stackTrace":["a","b"]}'
        rt.call("POST", rt.RUNTIME + "invocation/" + id + "/error", body)
    else:
        rt.answer(id, {"count": count})
`,
  states: `
import rt
def post(path, body="{}", headers={}):
    s, h, b = rt.call("POST", rt.RUNTIME + path, body, headers)
    return [s, rt.json.loads(b).get("errorType")]
early = post("invocation/x/response")
while True:
    id, event, headers = rt.next()
    init = post("init/error")
    s, h, b = rt.call("GET", "/2018-06-01/ping")
    u, h, _ = rt.call("GET", "/2018-06-01/nowhere")
    m, h, _ = rt.call("GET", rt.RUNTIME + "init/error")
    rt.answer(id, {"early": early, "init": init, "ping": [s, b.decode()], "unknown": u, "method": m})
`,
  stream: `
import rt
def chunks(conn, id, parts, trailers=(), type="application/vnd.awslambda.http-integration-response", mode="\\r\\nLambda-Runtime-Function-Response-Mode: streaming"):
    s = rt.raw("POST " + rt.RUNTIME + "invocation/" + id + "/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: " + type +
        mode + "\\r\\nTransfer-Encoding: chunked\\r\\nTrailer: x\\r\\n\\r\\n")
    for part in parts:
        s.sendall(b"%x\\r\\n" % len(part) + part + b"\\r\\n")
        if len(part) < 1000: rt.time.sleep(0.005)
    s.sendall(b"0\\r\\n" + b"".join(b"%s: %s\\r\\n" % t for t in trailers) + b"\\r\\n")
    s.recv(4096)
    s.close()
PRELUDE = b'{"statusCode":201,"headers":{"x-a":"b"},"cookies":["c=1","d=2"]}'
while True:
    id, event, headers = rt.next()
    path = event.get("rawPath", "")
    # As AWS's library for Go does: the type says that it streams, and every answer has trailers.
    if path.endswith("/go"):
        chunks(rt, id, [PRELUDE + b"\\0" * 8, b"of ", b"Go"], mode="", type="application/vnd.awslambda.http-integration-response; charset=utf-8")
    elif path.endswith("/late"):
        chunks(rt, id, [b'{"a":1}'], [(b"Lambda-Runtime-Function-Error-Type", b"Late")], type="application/octet-stream", mode="")
    elif path.endswith("/plain"):
        chunks(rt, id, [b"one,", b"two"], type="text/plain")
    elif path.endswith("/big"):
        chunks(rt, id, [PRELUDE, b"\\0" * 8] + [b"x" * 65536] * 256)
    elif path.endswith("/trailer"):
        error = rt.json.dumps({"errorType": "Late", "errorMessage": "in the middle"}).encode()
        import base64
        chunks(rt, id, [PRELUDE + b"\\0" * 8, b"half"], [(b"Lambda-Runtime-Function-Error-Type", b"Late"),
            (b"Lambda-Runtime-Function-Error-Body", base64.b64encode(error))])
    elif path.endswith("/mode"):
        rt.call("POST", rt.RUNTIME + "invocation/" + id + "/response", "{}", {"Lambda-Runtime-Function-Response-Mode": "odd"})
    else:
        chunks(rt, id, [PRELUDE[:20], PRELUDE[20:] + b"\\0" * 3, b"\\0" * 5 + b"first", b"second"])
`,
};

let server: TestServer;
beforeAll(async () => {
  server = await startProcesses(FUNCTIONS);
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const get = (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init);
const json = async (path: string, init?: RequestInit) =>
  (await (await get(path, init)).json()) as Record<string, unknown>;

describe("an invocation", () => {
  test("is AWS's event of an HTTP request", async () => {
    const event = await json("/echo/a%20b?x=1&x=2&y", {
      method: "POST",
      body: "h\u00e9llo",
      headers: { cookie: "a=1; b=2", "content-type": "text/plain", "x-many": "1" },
    });
    expect(event).toMatchObject({
      version: "2.0",
      rawPath: "/echo/a b",
      rawQueryString: "x=1&x=2&y",
      cookies: ["a=1", "b=2"],
      queryStringParameters: { x: "1,2", y: "" },
      body: "h\u00e9llo",
      isBase64Encoded: false,
      headers: { "x-many": "1" },
      requestContext: { http: { method: "POST", path: "/echo/a b" } },
    });
  });

  test("gives bodies that are no text in base64", async () => {
    const event = await json("/echo", { method: "POST", body: new Uint8Array([0, 255]) });
    expect(event).toMatchObject({ body: "AP8=", isBase64Encoded: true });
  });

  test("has the environment and the headers that AWS has", async () => {
    const env = await json("/env");
    expect(env).toMatchObject({
      LAMBDA_TASK_ROOT: "/var/task",
      AWS_LAMBDA_FUNCTION_NAME: "env",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
      AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    });
    // A client context is what the invoke API says, and nothing that a request could.
    const { same, headers } = await json("/next", { headers: { "x-amz-client-context": btoa('{"a":1}') } });
    expect(same).toBe(true);
    expect(headers).not.toHaveProperty("Lambda-Runtime-Client-Context");
    expect(headers).toMatchObject({
      "Lambda-Runtime-Invoked-Function-Arn": `arn:aws:lambda:local:${accountIdOf("default")}:function:next`,
      "Lambda-Runtime-Trace-Id": expect.stringMatching(/^Root=1-[0-9a-f]{8}-[0-9a-f]{24};/),
    });
    expect(Number((headers as Record<string, string>)["Lambda-Runtime-Deadline-Ms"])).toBeGreaterThan(Date.now());
  });

  test("that the handler fails is an error, and the runtime goes on", async () => {
    const failed = await get("/counter/error");
    expect([failed.status, await errorOf(failed)]).toMatchObject([
      500,
      { code: "uncaught_exception", message: "Boom: it broke" },
    ]);
    expect(await json("/counter")).toMatchObject({ count: 2 });
  });

  test("states are answered as AWS answers them", async () => {
    expect(await json("/states")).toEqual({
      early: [403, "InvalidStateTransition"],
      init: [403, "InvalidStateTransition"],
      ping: [200, "pong"],
      unknown: 404,
      method: 405,
    });
  });
});

test("the invoke API gives the payload as it is, and says what went wrong as AWS does", async () => {
  const invoke = (name: string, payload: string) =>
    server.admin(`/2015-03-31/functions/${name}/invocations`, {
      method: "POST",
      body: payload,
      headers: { "x-amz-client-context": btoa('{"custom":{"a":"é"}}'.replace("é", "e")) },
    });
  const answer = await invoke("echo", '{"any":["thing"]}');
  expect([answer.status, await answer.json()]).toEqual([200, { any: ["thing"] }]);
  const { headers } = (await (await invoke("next", "{}")).json()) as { headers: Record<string, string> };
  expect(headers["Lambda-Runtime-Client-Context"]).toBe('{"custom":{"a":"e"}}');
});

test("a program has no methods to be called by JSON-RPC, and nobody can speak as the invoke API by it", async () => {
  const call = { jsonrpc: "2.0", id: 1, method: "any", params: { lambda: { invokedFunctionArn: "arn:mine" } } };
  const headers = { "content-type": "application/json", authorization: `Bearer ${server.token}` };
  const answer = await get("/rpc/echo", { method: "POST", body: JSON.stringify(call), headers });
  expect(await answer.text()).toContain("A program has no methods");
});

describe("a streamed answer", () => {
  test("has the status, the headers and the cookies of its prelude", async () => {
    const answer = await get("/stream");
    expect(answer.status).toBe(201);
    expect(answer.headers.get("x-a")).toBe("b");
    expect(answer.headers.getSetCookie()).toEqual(["c=1", "d=2"]);
    expect(await answer.text()).toBe("firstsecond");
  });

  test("is one by its type alone, and any answer may fail in its trailers", async () => {
    const answer = await get("/stream/go");
    expect([answer.status, answer.headers.get("x-a"), await answer.text()]).toEqual([201, "b", "of Go"]);
    expect(await errorOf(await get("/stream/late"))).toMatchObject({ code: "uncaught_exception", message: "Late" });
  });

  test("reaches who calls by the invoke API as it is, with its prelude", async () => {
    const at = "/2015-03-31/functions/stream/invocations";
    const answer = await server.admin(at, { method: "POST", body: "{}" });
    const prelude = '{"statusCode":201,"headers":{"x-a":"b"},"cookies":["c=1","d=2"]}';
    expect([answer.status, await answer.text()]).toEqual([200, `${prelude}${"\0".repeat(8)}firstsecond`]);
  });

  test("without a prelude is of the type that the runtime names", async () => {
    const answer = await get("/stream/plain");
    expect([answer.headers.get("content-type"), await answer.text()]).toEqual(["text/plain", "one,two"]);
  });

  test("may be larger than one that is not streamed, with back-pressure", async () => {
    expect((await (await get("/stream/big")).arrayBuffer()).byteLength).toBe(16 * 1024 * 1024);
  });

  test("that fails in its trailers is cut off", async () => {
    const failure = await get("/stream/trailer")
      .then((answer) => answer.text())
      .catch((error) => String(error));
    expect(failure).not.toBe("half");
  });

  test("in an unknown mode is an error", async () => {
    expect(await errorOf(await get("/stream/mode"))).toMatchObject({ code: "dialect_error" });
  });
});

test("64 callers at once on four instances: nothing is lost, nothing answered twice", async () => {
  for (let round = 1; round <= 3; round += 1) {
    const all = (await Promise.all(Array.from({ length: 64 }, (_, index) => json(`/four/${index}`)))) as {
      born: number;
      count: number;
      path: string;
      id: string;
    }[];
    expect(all.map(({ path }) => path)).toEqual(Array.from({ length: 64 }, (_, index) => `/four/${index}`));
    expect(new Set(all.map(({ id }) => id)).size).toBe(64);
    // Every instance counts what it was given: together that is what was asked, each once.
    const counts = new Map<number, number>();
    for (const { born, count } of all) counts.set(born, Math.max(counts.get(born) ?? 0, count));
    expect(counts.size).toBeLessThanOrEqual(4);
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(64 * round);
  }
});

test("two who wait for the next at the same time are given one event each", async () => {
  for (let count = 1; count <= 20; count += 1) {
    expect(await json(`/waits/${count}`)).toEqual({ count, path: `/waits/${count}`, status: 202 });
  }
});
