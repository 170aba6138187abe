/** What is bound to a function, and what it may reach outside, from a program: over HTTP on the sandbox's loopback. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

const CODE = `
import rt, os, urllib.request, urllib.error
from urllib.parse import urlsplit
def ask(method, url, body=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=body), timeout=10) as r: return [r.status, r.read().decode("latin1")]
    except urllib.error.HTTPError as e: return [e.code, e.read().decode("latin1")]
BOUND = os.environ["ISOPOD_BINDINGS"]
def handle(event):
    what = event["queryStringParameters"]
    if what["do"] == "kv": return [ask("PUT", BOUND + "/CACHE/values/a%2Fb", b"v" * 300000)[0], ask("GET", BOUND + "/CACHE/values/a%2Fb")[1] == "v" * 300000,
        ask("GET", BOUND + "/CACHE/values/none")[0], ask("GET", BOUND + "/OTHER/values/x"), ask("GET", BOUND + "/CACHE/nonsense")[0]]
    if what["do"] == "proxied":
        c = rt.http.client.HTTPConnection("127.0.0.1", 9002)
        c.request("POST", what["url"], b"body", {"x-own": "1"})
        r = c.getresponse()
        return [r.status, r.read().decode()]
    if what["do"] == "large":
        c = rt.http.client.HTTPConnection("127.0.0.1", 9002)
        c.request("POST", "http://127.0.0.1:1/", b"x" * 20000000)
        return [ask("PUT", BOUND + "/OTHER/values/x", b"x" * 20000000)[0], c.getresponse().status,
            ask("POST", "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/nothing", b"x" * 20000000)]
    return ask("POST", what["url"], b"body")
rt.serve(handle)
`;

/** Takes many requests at once, and keeps and finds a value for each. */
const WEB = `
import http.server, os, urllib.request
BOUND = os.environ["ISOPOD_BINDINGS"]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        key = BOUND + "/CACHE/values/web" + self.path.rsplit("/", 1)[1]
        try:
            for n in range(5): urllib.request.urlopen(urllib.request.Request(key, method="PUT", data=b"x" * 100000)).read()
            body = str(len(urllib.request.urlopen(key).read())).encode()
        except urllib.error.HTTPError as e: body = e.read()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`;

let server: TestServer;
let outside: Bun.Server<undefined>;
beforeAll(async () => {
  outside = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) =>
      new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`),
  });
  const config = `egress = ["localhost:${outside.port}"]\n[functions.bindings]\nCACHE = { type = "kv", name = "cache" }`;
  const web = 'dialect = "http"\ninstances = 1\nlimits = { concurrency = 16 }';
  const bindings = '[functions.bindings]\nCACHE = { type = "kv", name = "cache" }';
  server = await startProcesses({
    bound: { code: CODE, config },
    web: { code: WEB, config: `${web}\n${bindings}` },
  });
}, 30_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await outside.stop(true);
});

const ask = async (query: string) => (await fetch(`${server.url}/bound?${query}`)).json() as Promise<unknown>;

test("a binding is called by its name, and nothing else is", async () => {
  const [put, same, none, other, nonsense] = (await ask("do=kv")) as [
    number,
    boolean,
    number,
    [number, string],
    number,
  ];
  expect([put, same, none]).toEqual([200, true, 404]);
  expect(other[0]).toBe(403);
  expect(JSON.parse(other[1])).toMatchObject({ error: { code: "binding_denied" } });
  expect(nonsense).toBeGreaterThanOrEqual(400);
});

test("who sends much to what refuses it has the refusal, and is not held up", async () => {
  expect(await ask("do=large")).toEqual([403, 403, [404, "404 page not found\n"]]);
});

test("a program that takes many requests at once has it in all of them", async () => {
  const asked = Array.from({ length: 16 }, async (_, at) => (await fetch(`${server.url}/web/${at}`)).text());
  expect(new Set(await Promise.all(asked))).toEqual(new Set(["100000"]));
});

test("the proxy reaches what the function may reach, and nothing else", async () => {
  const url = encodeURIComponent(`http://localhost:${outside.port}/there`);
  expect(await ask(`do=proxied&url=${url}`)).toEqual([200, "POST /there body"]);
  const denied = (await ask(`do=fetch&url=${encodeURIComponent("http://example.org/")}`)) as [number, string];
  expect(denied[0]).toBe(403);
  expect(JSON.parse(denied[1])).toMatchObject({ error: { code: "egress_denied" } });
  const secure = (await ask(`do=proxied&url=${encodeURIComponent("https://example.org/")}`)) as [number, string];
  expect(JSON.parse(secure[1])).toMatchObject({ error: { code: "egress_denied" } });
});
