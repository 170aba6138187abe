/** WebSockets that go through to programs of the `http` dialect. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** A server of RFC 6455 as short as one can be: echoes, and does what some texts ask for. */
const CODE = (listen: string) => `
import base64, hashlib, os, socket, struct, threading
def read(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more: raise SystemExit
        got += more
    return got
def frame(op, body):
    size = struct.pack("!B", len(body)) if len(body) < 126 else struct.pack("!BH", 126, len(body)) if len(body) < 65536 else struct.pack("!BQ", 127, len(body))
    return bytes([0x80 | op]) + size + body
def serve(s):
    head = b""
    while b"\\r\\n\\r\\n" not in head: head += s.recv(4096)
    line, *fields = head.decode().split("\\r\\n\\r\\n")[0].split("\\r\\n")
    names = {k.lower(): v.strip() for k, v in (field.split(":", 1) for field in fields)}
    key = names.get("sec-websocket-key")
    if "/declined" in line or key is None:
        body = "no socket for " + line
        s.sendall(f"HTTP/1.1 403 No\\r\\nx-why: {'plain' if key is None else 'socket'}\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
        return s.close()
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    protocol = names.get("sec-websocket-protocol", "").split(", ")[-1]
    s.sendall(("HTTP/1.1 101 Go\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: " + accept + (f"\\r\\nSec-WebSocket-Protocol: {protocol}" if protocol else "") + "\\r\\n\\r\\n").encode())
    s.sendall(frame(1, (line + " " + names["host"] + " " + names.get("x-own", "")).encode()))
    while True:
        first, second = read(s, 2)
        size = second & 127
        if size == 126: size = struct.unpack("!H", read(s, 2))[0]
        elif size == 127: size = struct.unpack("!Q", read(s, 8))[0]
        mask = read(s, 4)
        body = bytes(b ^ mask[i % 4] for i, b in enumerate(read(s, size)))
        op = first & 15
        if op == 8: s.sendall(frame(8, body[:2])); print("closed", struct.unpack("!H", body[:2])[0] if body else 0, flush=True); return s.close()
        if body == b"close": s.sendall(frame(8, struct.pack("!H", 4007) + b"as asked"))
        elif body == b"cut": return s.close()
        elif body == b"die": os._exit(9)
        elif body.startswith(b"many"):
            for n in range(int(body[4:])): s.sendall(frame(2, struct.pack("!I", n) + bytes(1000)))
        elif op in (1, 2): s.sendall(frame(op, body))
${listen}
while True:
    s, _ = server.accept()
    threading.Thread(target=serve, args=(s,), daemon=True).start()
`;
const ON_PORT = 'server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))';
const ON_SOCKET = 'server = socket.socket(socket.AF_UNIX); server.bind(os.environ["PORT"]); server.listen()';

let server: TestServer;
beforeAll(async () => {
  server = await startProcesses({
    port: { code: CODE(ON_PORT), config: 'dialect = "http"\nlimits = { concurrency = 32, wall_ms = 15000 }' },
    unix: {
      code: CODE(ON_SOCKET),
      config: 'dialect = "http"\nenv = { PORT = "/tmp/ws.sock" }\nlimits = { wall_ms = 15000 }',
    },
  });
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** A client whose messages and end are waited for. */
async function open(path: string, options: { protocols?: string[]; headers?: Record<string, string> } = {}) {
  const socket = new WebSocket(server.url.replace("http", "ws") + path, options as unknown as string[]);
  socket.binaryType = "arraybuffer";
  const got: (string | ArrayBuffer)[] = [];
  let wake = () => {};
  socket.onmessage = ({ data }) => {
    got.push(data as string | ArrayBuffer);
    wake();
  };
  const closed = new Promise<[number, string]>((resolve) => {
    socket.onclose = ({ code, reason }) => resolve([code, reason]);
  });
  const message = async () => {
    while (got.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return got.shift() as string | ArrayBuffer;
  };
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("the handshake failed"));
  });
  return { socket, message, closed };
}

for (const place of ["port", "unix"]) {
  test(`on a ${place}: texts and bytes, headers and subprotocol, and a close from either side`, async () => {
    const { socket, message, closed } = await open(`/${place}/room?a=1`, {
      protocols: ["one", "two"],
      headers: { "x-own": "mine" },
    });
    expect(socket.protocol).toBe("two");
    expect(await message()).toBe(`GET /${place}/room?a=1 HTTP/1.1 ${new URL(server.url).host} mine`);
    socket.send("hellö");
    expect(await message()).toBe("hellö");
    const bytes = crypto.getRandomValues(new Uint8Array(70_000).subarray(0, 60_000));
    socket.send(bytes);
    expect(new Uint8Array((await message()) as ArrayBuffer)).toEqual(bytes);
    socket.send("close");
    expect(await closed).toEqual([4007, "as asked"]);

    const other = await open(`/${place}/room`);
    await other.message();
    other.socket.close(4001, "enough");
    expect((await other.closed)[0]).toBe(4001);
  });
}

test("a handshake that nobody can pass on is refused, and costs nobody else", async () => {
  const { socket, message, closed } = await open("/port/room");
  await message();
  const shake = (offered: string) => {
    const fixed = { upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13" };
    const headers = { ...fixed, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-protocol": offered };
    return fetch(`${server.url}/port/declined`, { headers });
  };
  for (const offered of ["a, a", "a b", "(x)"]) {
    const refused = await shake(offered);
    expect([offered, refused.status, await refused.text()]).toEqual([
      ...[offered, 400, expect.stringContaining("Sec-WebSocket-Protocol")],
    ]);
  }
  expect((await shake(" ,")).status).toBe(403);
  socket.send("still there");
  expect(await message()).toBe("still there");
  socket.close();
  await closed;
});

test("a program that declines is asked plainly, and its answer is the caller's", async () => {
  const headers = {
    ...{ upgrade: "websocket", connection: "Upgrade", "sec-websocket-version": "13" },
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  const answer = await fetch(`${server.url}/port/declined`, { headers });
  expect([answer.status, answer.headers.get("x-why")]).toEqual([403, "plain"]);
  expect(await answer.text()).toBe("no socket for GET /port/declined HTTP/1.1");
});

test("a socket that is cut, and a program that ends, close the caller's socket as what they are", async () => {
  const cut = await open("/port/room");
  cut.socket.send("cut");
  expect((await cut.closed)[0]).toBe(1011);
  const dead = await open("/port/room");
  dead.socket.send("die");
  expect((await dead.closed)[0]).toBe(1011);
  // The next has another instance.
  const next = await open("/port/room");
  next.socket.close();
  await next.closed;
});

test("many messages at once come in their order", async () => {
  const { socket, message, closed } = await open("/port/room");
  await message();
  socket.send("many2000");
  for (let count = 0; count < 2000; count += 1) {
    const bytes = new DataView((await message()) as ArrayBuffer);
    if (bytes.getUint32(0) !== count) throw new Error(`message ${bytes.getUint32(0)} came in the place of ${count}`);
  }
  socket.close();
  await closed;
});

test("sockets at the same time are told apart", async () => {
  const sockets = await Promise.all(Array.from({ length: 16 }, () => open("/port/room")));
  await Promise.all(
    sockets.map(async ({ socket, message, closed }, index) => {
      await message();
      for (let count = 0; count < 20; count += 1) {
        socket.send(`${index}-${count}`);
        expect(await message()).toBe(`${index}-${count}`);
      }
      socket.close();
      await closed;
    }),
  );
});
