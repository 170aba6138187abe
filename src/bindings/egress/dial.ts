/**
 * Opens a socket to one of the addresses that were checked, and to nothing else: it is given addresses, never names.
 * Over TLS the certificate is verified for the host's name, which is also what SNI says.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls, type SecureContext } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { type Address, formatAddress } from "./address.ts";
import { PhaseTimeout } from "./failure.ts";
import type { Target } from "./rule.ts";

/** Addresses of one host that are tried, in the resolver's order; the time is shared among them. */
export const ADDRESSES_TRIED_MAX = 4;

/** What connecting needs beside where to. */
export interface DialOptions {
  /** Trusted authorities; the system's when undefined. */
  readonly secureContext: SecureContext | undefined;
  /** For all attempts together, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Gives the attempt up; its reason is what `dial` throws. */
  readonly signal: AbortSignal;
}

/** An open socket, and which of the addresses it leads to. */
export interface Dialed {
  readonly socket: Socket;
  readonly address: Address;
}

/**
 * Connects to the first of `addresses` that answers.
 * @throws {Error} the last attempt's error, or the signal's reason
 */
export async function dial(target: Target, addresses: readonly Address[], options: DialOptions): Promise<Dialed> {
  const { clock, signal, timeoutMs } = options;
  const tried = addresses.slice(0, ADDRESSES_TRIED_MAX);
  const end = clock.now() + timeoutMs;
  let failure: unknown = new Error("Cannot connect: there is no address");
  for (const [at, address] of tried.entries()) {
    try {
      const share = (end - clock.now()) / (tried.length - at);
      return { socket: await attempt(target, address, share, options), address };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      failure = error;
    }
  }
  throw failure;
}

function attempt(target: Target, address: Address, timeoutMs: number, options: DialOptions): Promise<Socket> {
  const { clock, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = start(target, address, options.secureContext);
  const giveUp = (reason: unknown) => {
    reject(reason);
    socket.destroy();
  };
  const abort = () => giveUp(signal.reason);
  const cancelTimer = clock.after(timeoutMs, () => giveUp(new PhaseTimeout("the connection was not made in time")));
  signal.addEventListener("abort", abort, { once: true });
  socket.once(target.scheme === "https:" ? "secureConnect" : "connect", () => resolve(socket));
  // Stays for good: a socket that fails while nobody uses it must not bring the process down.
  socket.on("error", giveUp);
  socket.once("close", () => reject(new Error("Cannot connect: the socket was closed")));
  if (signal.aborted) abort();
  return promise.finally(() => {
    cancelTimer();
    signal.removeEventListener("abort", abort);
  });
}

function start(target: Target, address: Address, secureContext: SecureContext | undefined): Socket {
  const where = { host: formatAddress(address), port: target.port };
  if (target.scheme === "http:") return connect(where);
  return connectTls({
    ...where,
    // SNI carries names only; for a host that is an address the certificate is checked for the address.
    ...(target.literal === undefined && { servername: target.host }),
    ...(secureContext && { secureContext }),
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: true,
  });
}
