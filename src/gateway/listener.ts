/**
 * The listener port and its one implementation, `Bun.serve`: what speaks HTTP/1.1 and WebSocket with clients.
 *
 * Everything above it sees a `Request`, who sent it, and a way to accept a WebSocket, so that `node:http` could stand
 * in. Smuggling, framing and slow heads are settled below it (its test says which cases were tried).
 */

import { systemClock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { InvocationSocket, SocketMessage } from "../core/invocation.ts";
import { SocketRelay } from "./socket_relay.ts";
import { timedBody } from "./timed_body.ts";

/** What a listener allows its clients. */
export interface ListenerLimits {
  readonly idleMs: number;
  readonly bodyIdleMs: number;
  /** The largest request body of any caller, in bytes. */
  readonly bodyBytesMax: number;
  readonly webSocketMessageBytesMax: number;
  readonly webSocketIdleMs: number;
}

/** One exchange, beside its `Request`. */
export interface Exchange {
  /** Address of the client's end. */
  remoteAddress(): string;
  /** The longest pause in a request's body, in milliseconds. */
  readonly bodyIdleMs: number;
  /** The request's body; a pause in it that is too long fails it with `body_timeout`. */
  body(): ReadableStream<Uint8Array> | null;
  /** Keeps the connection open while nothing is said for up to `ms`; the listener's own time-out else closes it. */
  allowSilence(ms: number): void;
  /** The program has said all: from here on the listener's own time-out counts again. */
  endSilence(): void;
  /** Accepts the WebSocket that the request asks for; false when it asks for none. Nothing else may be answered then. */
  acceptSocket(socket: InvocationSocket, headers: readonly (readonly [string, string])[]): boolean;
}

/** Answers requests; undefined when a WebSocket was accepted. */
export type RequestHandler = (
  request: Request,
  exchange: Exchange,
) => Response | undefined | Promise<Response | undefined>;

/** An open listener. */
export interface Listener {
  readonly host: string;
  /** The port that was bound, also when 0 was asked for. */
  readonly port: number;
  /** Takes no new connection and resolves when the open exchanges are over. */
  drain(): Promise<void>;
  /** Closes every connection now. */
  close(): Promise<void>;
}

/** Where and how to listen. */
export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly limits: ListenerLimits;
  readonly handle: RequestHandler;
}

/** Opens a listener. @throws {Error} naming the address when it cannot be bound */
export function openListener(options: ListenerOptions): Listener {
  const { limits, handle } = options;
  let server: Bun.Server<SocketRelay>;
  try {
    server = Bun.serve<SocketRelay>({
      hostname: options.host,
      port: options.port,
      idleTimeout: seconds(limits.idleMs + EARLY_MS, 255),
      maxRequestBodySize: limits.bodyBytesMax,
      development: false,
      // Without development Bun would share the port with another server of this user, and each get half the requests.
      reusePort: false,
      fetch: (request, at) => handle(request, new BunExchange(request, at, limits)),
      error: () => new Response(null, { status: 500 }),
      websocket: {
        idleTimeout: seconds(limits.webSocketIdleMs + EARLY_MS, 960),
        // A client that answers pings and says nothing else is idle all the same, and holds an instance.
        sendPings: false,
        maxPayloadLength: limits.webSocketMessageBytesMax,
        backpressureLimit: limits.webSocketMessageBytesMax * 4,
        closeOnBackpressureLimit: true,
        perMessageDeflate: false,
        open: (ws) => ws.data.open(ws),
        message: (ws, message) => ws.data.message(message as SocketMessage),
        drain: (ws) => ws.data.drain(),
        close: (ws, code, reason) => ws.data.close(code, reason),
      },
    });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    const reason = code === "EADDRINUSE" ? "something else does already (EADDRINUSE)" : code;
    throw new Error(`Cannot listen on ${options.host}:${options.port}: ${reason}`, { cause });
  }
  return {
    host: options.host,
    port: server.port ?? options.port,
    drain: () => server.stop(),
    close: () => server.stop(true),
  };
}

/** Bun looks at its time-outs every four seconds, and strikes up to so much too early. */
const EARLY_MS = 4000;

/** A time-out in whole seconds, up to what Bun can count; 0 would be none at all. */
function seconds(ms: number, max: number): number {
  return Math.min(max, Math.max(1, Math.ceil(ms / 1000)));
}

class BunExchange implements Exchange {
  readonly #request: Request;
  readonly #server: Bun.Server<SocketRelay>;
  readonly #limits: ListenerLimits;
  #silent = false;

  constructor(request: Request, server: Bun.Server<SocketRelay>, limits: ListenerLimits) {
    this.#request = request;
    this.#server = server;
    this.#limits = limits;
  }

  get bodyIdleMs(): number {
    return this.#limits.bodyIdleMs;
  }

  body(): ReadableStream<Uint8Array> | null {
    const { body } = this.#request;
    return body && timedBody(body, this.#limits.bodyIdleMs, systemClock);
  }

  remoteAddress(): string {
    return this.#server.requestIP(this.#request)?.address ?? "";
  }

  allowSilence(ms: number): void {
    if (ms <= this.#limits.idleMs) return;
    this.#silent = true;
    this.#server.timeout(this.#request, seconds(ms + EARLY_MS, 255));
  }

  endSilence(): void {
    if (this.#silent) this.#server.timeout(this.#request, seconds(this.#limits.idleMs + EARLY_MS, 255));
    this.#silent = false;
  }

  acceptSocket(socket: InvocationSocket, headers: readonly (readonly [string, string])[]): boolean {
    const kept = headers.filter(([name]) => !OWN_SOCKET_HEADERS.has(name.toLowerCase()));
    const data = new SocketRelay(socket, this.#limits.webSocketMessageBytesMax);
    return this.#server.upgrade(this.#request, { data, headers: kept as [string, string][] });
  }
}

/** Headers of the handshake that are the listener's. */
const OWN_SOCKET_HEADERS = new Set(["sec-websocket-accept", "sec-websocket-extensions", "content-type"]);

/** Whether a request asks for a WebSocket (RFC 6455, 4.1). */
export function asksForSocket(request: Request): boolean {
  return request.method === "GET" && request.headers.get("upgrade")?.toLowerCase() === "websocket";
}

/** What a client that asked for a WebSocket is told when its handshake cannot be completed. */
export function handshakeFailed(): IsopodError {
  return new IsopodError("bad_request", { message: "Cannot accept the WebSocket: the handshake is not complete" });
}
