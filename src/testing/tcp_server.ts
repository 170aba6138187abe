/** A TCP server of a test: on a loopback port of the system's choice, doing with each connection what the test says. */
import { createServer, type Server, type Socket } from "node:net";

/** The server. */
export interface TcpServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly port: number;
  /** Connections that are open. */
  readonly open: ReadonlySet<Socket>;
  /** Resolves when no connection is open. */
  empty(): Promise<void>;
}

/** Starts one; its connections are closed with it. */
export async function startTcpServer(serve: (socket: Socket) => void): Promise<TcpServer> {
  const open = new Set<Socket>();
  const waiting: (() => void)[] = [];
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      open.delete(socket);
      if (open.size === 0) for (const resolve of waiting.splice(0)) resolve();
    });
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  return {
    address: `127.0.0.1:${port}`,
    port,
    open,
    empty: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
