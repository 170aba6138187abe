/** The listener of a guest's server, on the loopback of its sandbox. */
import { HttpConnection } from "./http_connection.ts";
import type { Handler } from "./http_exchange.ts";

/** Connections at a time; a program that opens more has them closed. */
const CONNECTIONS_MAX = 128;

/** Listens on a port of the sandbox's loopback, or on a Unix socket. @throws {Error} when it cannot */
export function listen(
  where: { readonly port: number; readonly hostname?: string } | { readonly unix: string },
  handler: Handler,
): { stop(closeAll: boolean): void } {
  let open = 0;
  const socket: Bun.SocketHandler<HttpConnection> = {
    open(opened) {
      open += 1;
      if (open > CONNECTIONS_MAX) opened.terminate();
      opened.data = new HttpConnection(opened, handler);
    },
    data: (from, bytes) => from.data.receive(bytes),
    drain: (from) => from.data.drain(),
    close(from) {
      open -= 1;
      from.data.gone();
    },
    error() {},
  };
  if ("unix" in where) return Bun.listen<HttpConnection>({ unix: where.unix, socket });
  const { hostname = "127.0.0.1", port } = where;
  return Bun.listen<HttpConnection>({ hostname, port, socket });
}
