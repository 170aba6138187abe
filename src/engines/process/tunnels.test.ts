/** Tunnels through the proxy of the sandbox: what ordinary programs do to reach an https address. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { startTcpServer, type TcpServer } from "../../testing/tcp_server.ts";
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from "../../testing/test_certificate.ts";

/** Does what the query says; `raw` speaks to the proxy by hand. */
const CODE = `
import rt, os, socket, ssl, subprocess, urllib.request, urllib.error
TRUST = ssl.create_default_context(cafile="cert.pem")
def proxied(target, ahead=b""):
    s = socket.create_connection(("127.0.0.1", 9002)); s.settimeout(10)
    s.sendall(f"CONNECT {target} HTTP/1.1\\r\\nHost: {target}\\r\\n\\r\\n".encode() + ahead)
    got = b""
    while b"\\r\\n\\r\\n" not in got: got += s.recv(4096)
    head, rest = got.split(b"\\r\\n\\r\\n", 1)
    return s, int(head.split()[1]), rest
def everything(s, got):
    while True:
        more = s.recv(65536)
        if not more: return got
        got += more
def handle(event):
    what = event["queryStringParameters"]
    target = what.get("target", "")
    if what["do"] == "urllib":
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"https": os.environ["HTTPS_PROXY"]}), urllib.request.HTTPSHandler(context=TRUST))
        with opener.open(urllib.request.Request("https://" + target + "/path?a=1", data=b"x" * int(what["size"])), timeout=10) as r: return [r.status, len(r.read()), r.headers["x-seen"]]
    if what["do"] == "curl":
        p = subprocess.run(["curl", "-sS", "-D", "-", "--cacert", "cert.pem", "https://" + target + "/curled"], capture_output=True, text=True, timeout=10)
        return [p.returncode, p.stdout, p.stderr]
    if what["do"] == "status": return proxied(target)[1]
    if what["do"] == "half":
        s, status, got = proxied(target, b"sent ahead, ")
        s.sendall(b"sent after"); s.shutdown(socket.SHUT_WR)
        return [status, everything(s, got).decode()]
    if what["do"] == "keep":
        globals()["kept"], status, _ = proxied(target)
        return status
    if what["do"] == "many":
        held = [proxied(target) for n in range(20)]
        for s, status, got in held: s.sendall(b"ping"); s.shutdown(socket.SHUT_WR)
        return [everything(s, got).decode() for s, status, got in held]
rt.serve(handle)
`;

let server: TestServer;
let secure: Bun.Server<undefined>;
let echo: TcpServer;
beforeAll(async () => {
  secure = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", tls: { cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY } },
    fetch: async (request) => {
      const body = await request.bytes();
      const { pathname, search } = new URL(request.url);
      return new Response(body, { headers: { "x-seen": `${request.method} ${pathname}${search}` } });
    },
  });
  // Answers once it has been sent everything.
  echo = await startTcpServer((socket) => {
    const chunks: Uint8Array[] = [];
    socket.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    socket.on("end", () => socket.end(`got ${Buffer.concat(chunks)}`));
  });
  const of = (egress: readonly string[]) => ({
    code: CODE,
    config: `egress = ${JSON.stringify(egress)}\nenv = { NO_PROXY = "", no_proxy = "" }\nlimits = { wall_ms = 15000 }`,
    files: { "cert.pem": TEST_CERTIFICATE },
  });
  server = await startProcesses({
    allowed: of([`127.0.0.1:${secure.port}`, echo.address]),
    methods: of([`GET 127.0.0.1:${secure.port}`]),
    clear: of([`http://127.0.0.1:${secure.port}`]),
    anywhere: of(["*:*"]),
    nowhere: { code: CODE, files: { "cert.pem": TEST_CERTIFICATE } },
  });
}, 30_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await secure.stop(true);
  await echo[Symbol.asyncDispose]();
});

const ask = async (name: string, query: Record<string, string>) =>
  (await fetch(`${server.url}/${name}?${new URLSearchParams(query)}`)).json() as Promise<unknown>;

test("a library of the language speaks TLS by itself, and megabytes go both ways", async () => {
  const query = { do: "urllib", target: `127.0.0.1:${secure.port}` };
  expect(await ask("allowed", { ...query, size: "5" })).toEqual([200, 5, "POST /path?a=1"]);
  expect(await ask("allowed", { ...query, size: String(6 << 20) })).toEqual([200, 6 << 20, "POST /path?a=1"]);
});

test.skipIf(Bun.which("curl", { PATH: "/usr/local/bin:/usr/bin:/bin" }) === null)(
  "curl finds the proxy by itself, and says when it is refused (skipped where the machine has no curl)",
  async () => {
    const [code, said] = (await ask("allowed", { do: "curl", target: `127.0.0.1:${secure.port}` })) as [number, string];
    expect([code, said]).toEqual([0, expect.stringMatching(/200.*x-seen: GET \/curled/is)]);
    const [refused, , why] = (await ask("nowhere", { do: "curl", target: "example.org:443" })) as [
      number,
      string,
      string,
    ];
    expect([refused, why]).toEqual([56, expect.stringContaining("403")]);
  },
);

test.each<[string, string, () => string]>([
  ["another port than the allowed one", "allowed", () => "127.0.0.1:1"],
  ["another host", "allowed", () => "example.org:443"],
  ["what is allowed for some methods only, which nobody could see", "methods", () => `127.0.0.1:${secure.port}`],
  ["what is allowed in clear text only", "clear", () => `127.0.0.1:${secure.port}`],
  ["what is not public, when all that is public is allowed", "anywhere", () => `127.0.0.1:${secure.port}`],
  ["a name of what is not public", "anywhere", () => `localhost:${secure.port}`],
  ["an address of a cloud's metadata", "anywhere", () => "169.254.169.254:80"],
  ["the proxy's own place", "anywhere", () => "[::1]:9002"],
  ["anything, when nothing is allowed", "nowhere", () => "example.org:443"],
])("%s is refused with 403", async (_what, name, target) => {
  expect(await ask(name, { do: "status", target: target() })).toBe(403);
});

test.each(["example.org", ":443", "a b:1", "x:0", "x:65536", "https://example.org/", "/"])(
  "%p is no place",
  async (target) => {
    expect([400, 403, 502]).toContain((await ask("anywhere", { do: "status", target })) as number);
  },
);

test("what is sent ahead, and after an end on one side, arrives", async () => {
  const told = await ask("allowed", { do: "half", target: echo.address });
  expect(told).toEqual([200, "got sent ahead, sent after"]);
  expect(await ask("allowed", { do: "many", target: echo.address })).toEqual(Array(20).fill("got ping"));
});

test("a tunnel ends with its invocation", async () => {
  expect(await ask("allowed", { do: "keep", target: echo.address })).toBe(200);
  await echo.empty();
});
