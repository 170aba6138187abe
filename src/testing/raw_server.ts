/** A TCP server for tests that says exactly what it is told to, and knows which of its sockets are still open. */
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** A running server. */
export interface RawServer {
  readonly port: number;
  /** Connections that were ever made. */
  readonly connections: number;
  /** Settles when no socket is open; at once when none is. */
  gone(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server on a loopback address; `serve` gets each socket, and `request` each first chunk of a request. */
export async function startRawServer(
  serve: (socket: Socket, request: string) => void,
  options: { readonly tls?: TlsOptions; readonly host?: string } = {},
): Promise<RawServer> {
  const open = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let connections = 0;
  const accept = (socket: Socket) => {
    connections++;
    open.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => serve(socket, chunk.toString("latin1")));
    socket.on("close", () => {
      open.delete(socket);
      if (open.size === 0) for (const tell of waiting.splice(0)) tell();
    });
  };
  const server = options.tls ? createTlsServer(options.tls, accept) : createServer(accept);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, options.host ?? "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    get connections() {
      return connections;
    },
    gone: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A complete HTTP/1.1 response. */
export function httpResponse(body: string, headers: readonly string[] = [], status = "200 OK"): string {
  return `HTTP/1.1 ${[status, ...headers, `content-length: ${Buffer.byteLength(body)}`].join("\r\n")}\r\n\r\n${body}`;
}
