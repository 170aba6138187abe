/** How a program of the dialect `http` is asked whether it is ready: what it notices of that. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { askLogs, logsOf } from "../../testing/log_client.ts";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";

/** The server that comes with Python, which writes a stack for every connection that is reset. */
const PLAIN = `
import os, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): print("asked for", self.path, flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`;

/** Tells how each connection before the first request ended, one after the other. */
const RAW = `
import os, socket
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
ends = []
while True:
    s, _ = listener.accept()
    try:
        got = s.recv(4096)
        if got:
            text = repr(ends).encode()
            s.sendall(b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(text) + text)
        else: ends.append("end")
    except ConnectionResetError: ends.append("reset")
    s.close()
`;

/** Longer than the guest waits before it says what is missing. */
const SHORT = "limits = { wall_ms = 5000 }";

/** Never ready: it answers with 503, or not at all. */
const ODD = `
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/hang": sys.stdin.read() or __import__("time").sleep(60)
        self.send_response(503); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
`;

let server: TestServer;
beforeAll(async () => {
  server = await startProcesses({
    plain: { code: PLAIN, config: 'dialect = "http"' },
    path: { code: PLAIN, config: 'dialect = "http"\nreadiness = "/ready"' },
    elsewhere: { code: ODD.replace("PORT", "3000"), config: `dialect = "http"\n${SHORT}` },
    unix: { code: ODD.replace("PORT", "3000"), config: `dialect = "http"\nenv.PORT = "/tmp/a.sock"\n${SHORT}` },
    odd: { code: ODD.replace("PORT", "8080"), config: `dialect = "http"\nreadiness = "/ready"\n${SHORT}` },
    hangs: { code: ODD.replace("PORT", "8080"), config: `dialect = "http"\nreadiness = "/hang"\n${SHORT}` },
    raw: { code: RAW, config: 'dialect = "http"' },
  });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** The lines of a function, once there are so many: a program's own come by its pipe, at any time. */
async function linesOf(name: string, count: number, status = 200, told = "ok"): Promise<string[]> {
  const answer = await fetch(`${server.url}/${name}`);
  expect(answer.status).toBe(status);
  expect(await answer.text()).toContain(told);
  await logsOf(server, answer);
  return settled(`${count} lines of ${name}`, async () => {
    const { items } = await askLogs(server, { function: name, order: "oldest", limit: "1000" });
    const lines = items.flatMap((item) => (item.kind === "line" ? [item.text] : []));
    return lines.length >= count ? lines : undefined;
  });
}

test("a connection that only asks is closed in order, and leaves nothing in the log", async () => {
  expect(await (await fetch(`${server.url}/raw`)).text()).toBe("['end']");
  expect(await linesOf("plain", 1)).toEqual(["asked for /plain"]);
});

test("with a path it is a request", async () => {
  expect(await linesOf("path", 2)).toEqual(["asked for /ready", "asked for /path"]);
});

const NEVER_READY: Readonly<Record<string, string>> = {
  elsewhere: "The program does not accept connections at 127.0.0.1:8080, which PORT names",
  unix: "The program does not accept connections at /tmp/a.sock, which PORT names",
  odd: "The program is not ready: GET /ready answers 503; expected a status below 500",
  hangs: "The program is not ready: GET /hang has no answer; expected a status below 500",
};

test.concurrent.each(Object.entries(NEVER_READY))(
  "one that is never ready has the reason in its log, once: %s",
  async (name, said) => {
    expect(await linesOf(name, 1, 504, "wall_limit")).toEqual([said]);
  },
);
