/**
 * A load generator as a process of its own: `bun load.ts PORT PATH CONNECTIONS SECONDS` keeps that many connections
 * busy with one GET after another over raw sockets, and prints its figures as JSON.
 *
 * It checks status and length of every answer and nothing else, so that it takes as little of the machine as it can
 * from what is measured beside it.
 */
const [port, path, connections, seconds] = process.argv.slice(2) as [string, string, string, string];
const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
const latencies: number[] = [];
let failures = 0;
let stopped = false;

interface Client {
  sentAt: number;
  /** Bytes that the answer under way still lacks; -1 while its head is not complete. */
  missing: number;
  head: string;
}

function begin(socket: Bun.Socket<Client>): void {
  socket.data.sentAt = performance.now();
  socket.data.missing = -1;
  socket.data.head = "";
  socket.write(request);
}

function receive(socket: Bun.Socket<Client>, bytes: Buffer): void {
  const client = socket.data;
  if (client.missing < 0) {
    client.head += bytes.toString("latin1");
    const end = client.head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = /\r\ncontent-length: *(\d+)/i.exec(client.head)?.[1];
    if (!client.head.startsWith("HTTP/1.1 200") || length === undefined) failures += 1;
    client.missing = Number(length ?? 0) - (client.head.length - end - 4);
  } else {
    client.missing -= bytes.length;
  }
  if (client.missing > 0) return;
  latencies.push(performance.now() - client.sentAt);
  if (stopped) socket.end();
  else begin(socket);
}

const open = Array.from({ length: Number(connections) }, () =>
  Bun.connect<Client>({
    hostname: "127.0.0.1",
    port: Number(port),
    data: { sentAt: 0, missing: -1, head: "" },
    socket: {
      open: begin,
      data: receive,
      error: () => {
        failures += 1;
      },
      close: () => {
        if (!stopped) failures += 1;
      },
    },
  }),
);
await Promise.all(open);
const startedAt = performance.now();
await Bun.sleep(Number(seconds) * 1000);
stopped = true;
const elapsed = (performance.now() - startedAt) / 1000;
latencies.sort((first, second) => first - second);
const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
process.stdout.write(
  JSON.stringify({
    requests: latencies.length,
    perSecond: latencies.length / elapsed,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    failures,
  }),
);
process.exit();
