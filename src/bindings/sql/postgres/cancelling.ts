/**
 * Asks a PostgreSQL server, over a connection of its own, to cancel what another connection runs: CancelRequest of the
 * protocol's "Canceling Requests in Progress". Where the other is by TLS, so is this one.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { DatabaseAddress } from "./address.ts";

const CANCEL_MS_MAX = 5000;
const CANCEL_REQUEST = 80_877_102;
const TLS_REQUEST = 80_877_103;
const TLS_ACCEPTED = "S".charCodeAt(0);

/** What a server has named a connection. */
export interface BackendKey {
  readonly processID: number;
  readonly secretKey: number;
}

/** Asks for it. Settles when the server has taken the question, or cannot be asked; never throws. */
export function requestCancel(address: DatabaseAddress, { processID, secretKey }: BackendKey): Promise<void> {
  const { host, port, tls } = address;
  const question = integers(16, CANCEL_REQUEST, processID, secretKey);
  return new Promise((resolve) => {
    const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    const timer = setTimeout(end, CANCEL_MS_MAX);
    timer.unref();
    const ask = (stream: Socket) => {
      stream.on("error", end).on("end", end).resume();
      stream.write(question);
    };
    socket.on("error", end).on("close", end).on("end", end);
    if (tls === undefined) return void socket.on("connect", () => ask(socket));
    socket.on("connect", () => socket.write(integers(8, TLS_REQUEST)));
    socket.once("data", (answer) => {
      if (answer[0] !== TLS_ACCEPTED) return end();
      const secure = connectTls({ ...tls, socket, host }, () => ask(secure));
      secure.on("error", end);
    });
  });
}

/** The numbers of a message, of 32 bits each. */
function integers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeInt32BE(value | 0, at * 4);
  return bytes;
}
