/** Programs of the dialect `http` that answer what no server should: each is told by its name, and the next has another instance. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** Answers with the bytes that the path names; what is a function goes on by itself. */
const CODE = `
import os, socket, threading, gzip
OK = b"HTTP/1.1 200 OK\\r\\n"
def forever(s, head, piece):
    s.sendall(head)
    while True: s.sendall(piece)
ANSWERS = {
    "well": OK + b"content-length: 2\\r\\n\\r\\nok",
    "nothing": b"",
    "short": OK + b"content-length: 100\\r\\n\\r\\nshort",
    "negative": OK + b"content-length: -1\\r\\n\\r\\nx",
    "two_lengths": OK + b"content-length: 2\\r\\ncontent-length: 3\\r\\n\\r\\nabc",
    "both": OK + b"content-length: 2\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n2\\r\\nok\\r\\n0\\r\\n\\r\\n",
    "bad_chunk": OK + b"transfer-encoding: chunked\\r\\n\\r\\nzz\\r\\n",
    "no_end": OK + b"transfer-encoding: chunked\\r\\n\\r\\n2\\r\\nok\\r\\n",
    "split": OK + b"content-length: 2\\r\\n\\r\\nok" + OK + b"content-length: 7\\r\\n\\r\\npoisond",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\\r\\nconnection: upgrade\\r\\nupgrade: websocket\\r\\n\\r\\nxyz",
    "status": b"HTTP/1.1 999 What\\r\\ncontent-length: 0\\r\\n\\r\\n",
    "zero": b"HTTP/1.1 000 What\\r\\ncontent-length: 0\\r\\n\\r\\n",
    "name": OK + b"bad name: x\\r\\ncontent-length: 0\\r\\n\\r\\n",
    "wide": OK + b"x: " + b"y" * 200000 + b"\\r\\ncontent-length: 0\\r\\n\\r\\n",
    "many": OK + b"".join(b"x-%d: y\\r\\n" % n for n in range(5000)) + b"content-length: 0\\r\\n\\r\\n",
    "bomb": OK + b"content-encoding: gzip\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(gzip.compress(b"0" * (64 << 20))) + gzip.compress(b"0" * (64 << 20)),
    "nul": b"\\0" * 1000 + b"\\r\\n\\r\\n",
    "forged": OK + b"isopod-request-id: forged\\r\\ncontent-length: 2\\r\\n\\r\\nok",
    "head_forever": lambda s: forever(s, OK, b"x-more: " + b"y" * 1000 + b"\\r\\n"),
    "line_forever": lambda s: forever(s, OK + b"x: ", b"y" * 65536),
    "continue_forever": lambda s: forever(s, b"", b"HTTP/1.1 100 Continue\\r\\n\\r\\n"),
    "body_forever": lambda s: forever(s, OK + b"\\r\\n", b"y" * 65536),
}
def serve(s):
    try:
        got = b""
        while b"\\r\\n\\r\\n" not in got:
            more = s.recv(65536)
            if not more: return
            got += more
        what = got.split()[1].decode().split("/")[-1]
        answer = ANSWERS[what]
        if callable(answer): answer(s)
        else: s.sendall(answer)
    except OSError: pass
    finally: s.close()
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
`;

let server: TestServer;
beforeAll(async () => {
  const config =
    'dialect = "http"\ninstances = 1\nlimits = { wall_ms = 20000, cpu_ms = 1500, memory_mb = 96, response_mb = 20 }';
  server = await startProcesses({ hostile: { code: CODE, config }, victim: { code: CODE, config } });
  await (await fetch(`${server.url}/victim/well`)).text();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Status and code of the error, or what was read, or `cut` where the answer broke off. */
async function ask(what: string): Promise<readonly [number, string] | "cut"> {
  try {
    const answer = await fetch(`${server.url}/hostile/${what}`, { decompress: false } as RequestInit);
    const text = await answer.text();
    const code = text.startsWith('{"error"') ? (JSON.parse(text) as { error: { code: string } }).error.code : text;
    return [answer.status, code];
  } catch {
    return "cut";
  }
}

const UNREADABLE = "nothing negative two_lengths upgrade status zero name wide many nul head_forever line_forever";

test.each([
  ...UNREADABLE.split(" ").map((what) => [what, [500, "dialect_error"]] as const),
  // What has begun is cut off.
  ...["short", "bad_chunk", "no_end", "body_forever"].map((what) => [what, "cut"] as const),
  // What is behind an answer is no answer to anybody.
  ...["both", "split", "forged"].map((what) => [what, [200, "ok"]] as const),
  // Nobody unpacks what is packed.
  ["bomb", [200, expect.stringMatching(/^.{60000,70000}$/s)]],
  ["continue_forever", [500, "cpu_limit"]],
] as const)(
  "%s",
  async (what, expected) => {
    expect(await ask(what)).toEqual(expected as never);
    expect(await (await fetch(`${server.url}/victim/well`)).text()).toBe("ok");
    expect(await ask("well")).toEqual([200, "ok"]);
  },
  60_000,
);

test.each(["GET", "POST", "DELETE"])("connections that are closed after an answer cost no %s", async (method) => {
  const body = method === "POST" ? "x" : null;
  const statuses = new Set<number>();
  for (let count = 0; count < 200; count += 1) {
    const answer = await fetch(`${server.url}/victim/well`, { method, body });
    statuses.add(answer.status);
    await answer.text();
  }
  expect([...statuses]).toEqual([200]);
});
