/** TCP bindings of programs: a connection through the server on the sandbox's loopback, by the standard library of Python. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { startTcpServer, type TcpServer } from "../../testing/tcp_server.ts";

const CODE = `
import rt, os, socket, urllib.parse
BOUND = urllib.parse.urlsplit(os.environ["ISOPOD_BINDINGS"])
def connect(name, address=None, ahead=b"", upgrade="Connection: Upgrade\\r\\nUpgrade: tcp\\r\\n", method="GET"):
    s = socket.create_connection((BOUND.hostname, BOUND.port)); s.settimeout(10)
    query = "" if address is None else "?" + urllib.parse.urlencode({"address": address})
    s.sendall(f"{method} {BOUND.path}/{name}/connect{query} HTTP/1.1\\r\\nHost: {BOUND.netloc}\\r\\n{upgrade}\\r\\n".encode() + ahead)
    got = b""
    while b"\\r\\n\\r\\n" not in got: got += s.recv(4096)
    head, rest = got.split(b"\\r\\n\\r\\n", 1)
    return s, int(head.split()[1]), rest, head
def everything(s, got):
    while True:
        more = s.recv(65536)
        if not more: return got
        got += more
def handle(event):
    what = event["queryStringParameters"]
    name, address = what.get("name", "DB"), what.get("address")
    if what["do"] == "status":
        s, status, got, _ = connect(name, address)
        if status == 101: return [101]
        while got[-2:] != b"}}": got += s.recv(4096)
        return [status, rt.json.loads(got)["error"]]
    if what["do"] == "plain": return connect(name, address, upgrade="")[1]
    if what["do"] == "echo":
        s, status, got, head = connect(name, address, ahead=b"sent ahead, ", method=what.get("method", "GET"))
        s.sendall(b"x" * int(what["size"])); s.shutdown(socket.SHUT_WR)
        return [status, "upgrade: tcp" in head.decode().lower(), len(everything(s, got))]
    if what["do"] == "keep":
        globals()["kept"] = connect(name, address)
        return globals()["kept"][1]
    if what["do"] == "many": return [connect(name, address)[1] for n in range(4)]
rt.serve(handle)
`;

let server: TestServer;
let echo: TcpServer;
let other: TcpServer;
beforeAll(async () => {
  // Answers once it has been sent everything.
  echo = await startTcpServer((socket) => {
    const chunks: Uint8Array[] = [];
    socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    socket.on("end", () => socket.end(`got ${Buffer.concat(chunks)}`));
  });
  other = await startTcpServer((socket) => socket.end());
  const bound = (allow: readonly string[]) => `{ type = "tcp", allow = ${JSON.stringify(allow)} }`;
  const config = `limits = { subrequests = 3 }
[functions.bindings]
DB = ${bound([echo.address])}
BOTH = ${bound([echo.address, other.address])}
ANY = ${bound(["*:*"])}
CACHE = { type = "kv", name = "cache" }`;
  server = await startProcesses({ bound: { code: CODE, config } });
}, 30_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Promise.all([echo, other].map((each) => each[Symbol.asyncDispose]()));
});

const ask = async (query: Record<string, string>) =>
  (await fetch(`${server.url}/bound?${new URLSearchParams(query)}`)).json() as Promise<unknown>;

test("a program speaks to a server that its binding names: ahead of the answer, megabytes, and after an end on one side", async () => {
  const sent = "sent ahead, ".length;
  expect(await ask({ do: "echo", address: echo.address, size: "5" })).toEqual([101, true, 4 + sent + 5]);
  // Where the binding names one place, it need not be said.
  expect(await ask({ do: "echo", size: String(6 << 20), method: "POST" })).toEqual([101, true, 4 + sent + (6 << 20)]);
  expect(await ask({ do: "status", name: "BOTH", address: other.address })).toEqual([101]);
});

test.each<[string, string, () => string | undefined, number, string]>([
  ["another port than the allowed one", "DB", () => "127.0.0.1:1", 403, "egress_denied"],
  ["another binding's place", "DB", () => other.address, 403, "egress_denied"],
  ["another host", "DB", () => "example.org:443", 403, "egress_denied"],
  ["what is not public, when all that is public is allowed", "ANY", () => echo.address, 403, "egress_denied"],
  ["an address of a cloud's metadata", "ANY", () => "169.254.169.254:80", 403, "egress_denied"],
  ["the sandbox's own server", "ANY", () => "localhost:9001", 403, "egress_denied"],
  ["no address, where several are allowed", "BOTH", () => undefined, 400, "bad_request"],
  ["no place", "DB", () => "a b:1", 400, "bad_request"],
  ["a binding that is not held", "NONE", () => "example.org:443", 403, "binding_denied"],
])("%s is refused", async (_what, name, address, status, code) => {
  const place = address();
  const told = await ask({ do: "status", name, ...(place !== undefined && { address: place }) });
  expect(told).toEqual([status, expect.objectContaining({ code })]);
});

test("what is no connection is refused: a request that asks for none, and a binding that gives none", async () => {
  expect(await ask({ do: "plain", address: echo.address })).toBe(400);
  const [status] = (await ask({ do: "status", name: "CACHE", address: echo.address })) as [number];
  expect(status).toBeGreaterThanOrEqual(400);
});

test("each connection counts as a request of the invocation, and ends with it", async () => {
  const limit = { name: "subrequestsMax", value: 3 };
  expect(await ask({ do: "many", address: echo.address })).toMatchObject({
    error: { code: "subrequest_limit", limit },
  });
  expect(await ask({ do: "keep", address: echo.address })).toBe(101);
  await echo.empty();
});
