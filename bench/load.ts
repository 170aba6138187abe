/**
 * The load generator, a process of its own: `bun load.ts OPTIONS` (JSON, see `LoadOptions`) prints `LoadFigures` as JSON.
 *
 * Each connection sends one request after another over a raw socket, and every answer's status, length and body are
 * checked. It does as little as it can beside that, because it shares the machine with what is measured.
 */
import type { LoadFigures, LoadOptions } from "./run_load.ts";

interface Client {
  sentAt: number;
  /** What has arrived of the answer under way, when it did not come in one piece. */
  text: string;
  /** What the answer's body must be. */
  expected: string;
  busy: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as LoadOptions;
const { port, path, connections, seconds, body, expect, intervalMs } = options;
const HEAD = `${body === undefined ? "GET" : "POST"} ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n`;
const plainRequest = Buffer.from(`${HEAD}\r\n`);
const plainExpected = Buffer.from(expect);

const latencies: number[] = [];
let failures = 0;
let firstFailure: string | undefined;
let stopped = false;
/** Programs must differ from those of every other run, too. */
let nextProgram = Math.floor(Math.random() * 2 ** 40) * 1024;
/** Length of a whole answer to a plain request: what is as long, and ends with the body, is whole as well. */
let wholeLength = -1;

function send(socket: Bun.Socket<Client>): void {
  const client = socket.data;
  client.busy = true;
  client.text = "";
  let request: Uint8Array | string = plainRequest;
  if (body !== undefined) {
    const number = String(nextProgram++);
    const program = body.replace("{n}", number);
    client.expected = expect.replace("{n}", number);
    request = `${HEAD}Content-Type: ${options.contentType}\r\nContent-Length: ${program.length}\r\n\r\n${program}`;
  }
  client.sentAt = performance.now();
  const length = request.length;
  if (socket.write(request) < length) fail("a request did not fit into the socket's buffer");
}

function receive(socket: Bun.Socket<Client>, bytes: Buffer): void {
  const client = socket.data;
  if (client.text === "" && isKnownAnswer(bytes)) {
    answered(socket);
    return;
  }
  client.text += bytes.toString("latin1");
  const headEnd = client.text.indexOf("\r\n\r\n");
  if (headEnd < 0) return;
  const whole = bodyOf(client.text, headEnd);
  if (whole === undefined) return;
  const isRight = client.text.startsWith("HTTP/1.1 200") && whole.trimEnd() === client.expected;
  if (!isRight) fail(client.text.slice(0, 400));
  else if (body === undefined && client.text.length === bytes.length) wholeLength = bytes.length;
  answered(socket);
}

/** Whether `bytes` can be told to be a right and whole answer without reading its head. */
function isKnownAnswer(bytes: Buffer): boolean {
  if (bytes.length !== wholeLength || bytes[9] !== 0x32 || bytes[10] !== 0x30) return false;
  return bytes.compare(plainExpected, 0, plainExpected.length, wholeLength - plainExpected.length) === 0;
}

/** The body of an answer; undefined while it is not whole. */
function bodyOf(text: string, headEnd: number): string | undefined {
  const head = text.slice(0, headEnd);
  const rest = text.slice(headEnd + 4);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return rest.length < Number(length) ? undefined : rest;
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return rest;
  return rest.endsWith("0\r\n\r\n") ? joinChunks(rest) : undefined;
}

function joinChunks(text: string): string {
  let joined = "";
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (!(size > 0)) return joined;
    joined += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}

function answered(socket: Bun.Socket<Client>): void {
  if (stopped) return;
  latencies.push(performance.now() - socket.data.sentAt);
  socket.data.busy = false;
  if (intervalMs === undefined) send(socket);
}

function fail(what: string): void {
  failures += 1;
  firstFailure ??= what;
}

const sockets = await Promise.all(
  Array.from({ length: connections }, () =>
    Bun.connect<Client>({
      hostname: "127.0.0.1",
      port,
      data: { sentAt: 0, text: "", expected: expect, busy: false },
      socket: {
        data: receive,
        error: (_, error) => fail(String(error)),
        close: () => {
          if (!stopped) fail("the server closed the connection");
        },
      },
    }),
  ),
);
const startedAt = performance.now();
for (const socket of sockets) send(socket);
if (intervalMs !== undefined) {
  setInterval(() => {
    for (const socket of sockets) if (!socket.data.busy) send(socket);
  }, intervalMs);
}
await Bun.sleep(seconds * 1000);
stopped = true;
const elapsed = (performance.now() - startedAt) / 1000;
latencies.sort((first, second) => first - second);
const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
const figures: LoadFigures = {
  requests: latencies.length,
  perSecond: latencies.length / elapsed,
  p50Ms: at(0.5),
  p99Ms: at(0.99),
  failures,
  firstFailure,
};
process.stdout.write(JSON.stringify(figures));
process.exit();
