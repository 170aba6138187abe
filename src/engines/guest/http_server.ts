/** The server that the program finds in its sandbox, on its loopback and on a Unix socket. */
import { Connection } from "./http_connection.ts";
import type { Handler } from "./http_reply.ts";

/** Connections at a time; a program that opens more has them closed. */
const CONNECTIONS_MAX = 128;

/**
 * Listens on a port of the sandbox's loopback, at 127.0.0.1 when no address is named, or on a Unix socket.
 * @throws {Error} when it cannot
 */
export function listen(
  where: { readonly port: number; readonly hostname?: string } | { readonly unix: string },
  handler: Handler,
): { stop(closeAll: boolean): void } {
  let open = 0;
  const socket: Bun.SocketHandler<Connection> = {
    open(opened) {
      open += 1;
      if (open > CONNECTIONS_MAX) opened.terminate();
      opened.data = new Connection(opened, handler);
    },
    data: (from, bytes) => from.data.receive(bytes),
    drain: (from) => from.data.drain(),
    end: (from) => from.data.ended(),
    close(from) {
      open -= 1;
      from.data.gone();
    },
    error() {},
  };
  if ("unix" in where) return Bun.listen<Connection>({ unix: where.unix, allowHalfOpen: true, socket });
  const { hostname = "127.0.0.1", port } = where;
  return Bun.listen<Connection>({ hostname, port, allowHalfOpen: true, socket });
}
