/**
 * An application on Node's own HTTP server: for development, so it streams and ends cleanly, and tunes nothing.
 *
 * Types of Node are spelled here as far as they are used: the SDK compiles without them.
 */

/** `node:http`, as far as it is used. */
export interface NodeHttp {
  createServer(listener: (incoming: Incoming, outgoing: Outgoing) => void): Server;
}

interface Incoming extends AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly method?: string;
  readonly url?: string;
  readonly rawHeaders: readonly string[];
  destroy(): void;
}

interface Outgoing {
  writeHead(status: number, headers: readonly string[]): void;
  write(chunk: Uint8Array): boolean;
  end(): void;
  destroy(): void;
  once(event: "drain" | "close", listener: () => void): void;
  off(event: "drain" | "close", listener: () => void): void;
  readonly writableFinished: boolean;
  readonly destroyed: boolean;
}

interface Server {
  listen(port: number, hostname: string, listener: () => void): void;
  once(event: "error", listener: (error: Error) => void): void;
  address(): { readonly port: number };
  close(listener: () => void): void;
  closeAllConnections(): void;
}

/** Listens until it is closed. @throws {Error} when nothing can listen there */
export async function listenNode(
  http: NodeHttp,
  { port, hostname }: { readonly port: number; readonly hostname: string },
  handler: (request: Request) => Promise<Response>,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = http.createServer((incoming, outgoing) => {
    answer(incoming, outgoing, handler).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, hostname, resolve);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: server.address().port, close };
}

async function answer(
  incoming: Incoming,
  outgoing: Outgoing,
  handler: (request: Request) => Promise<Response>,
): Promise<void> {
  const hungUp = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) hungUp.abort();
  });
  const response = await handler(requestOf(incoming, hungUp.signal));
  const headers = [...response.headers].flat();
  outgoing.writeHead(response.status, headers);
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return outgoing.end();
    if (!outgoing.write(value)) await writable(outgoing);
    if (outgoing.destroyed) return void (await reader?.cancel());
  }
}

function requestOf(incoming: Incoming, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2)
    headers.append(incoming.rawHeaders[at] ?? "", incoming.rawHeaders[at + 1] ?? "");
  const { method = "GET", url = "/" } = incoming;
  const init: RequestInit & { duplex?: "half" } = { method, headers, signal };
  if (method !== "GET" && method !== "HEAD") {
    init.body = streamOf(incoming);
    init.duplex = "half";
  }
  const origin = `http://${headers.get("host") ?? "localhost"}`;
  // Not relative to it: a path that begins with two slashes would name another host.
  return new Request(new URL(url.startsWith("/") ? origin + url : url).href, init);
}

function streamOf(incoming: Incoming): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = incoming[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(new Uint8Array(value));
    },
    cancel: () => incoming.destroy(),
  });
}

/** Resolves when there is room again, or nobody who reads. */
function writable(outgoing: Outgoing): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      outgoing.off("drain", go);
      outgoing.off("close", go);
      resolve();
    };
    outgoing.once("drain", go);
    outgoing.once("close", go);
  });
}
