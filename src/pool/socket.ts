/**
 * A WebSocket that a function has accepted, seen from the host: messages are `data` frames, the first byte the
 * opcode (1 text, 2 binary, 8 close). What the function sends is under the stream's credit; so is what it is sent.
 */
import type { IsopodError } from "../core/errors.ts";
import type { InvocationSocket, SocketMessage } from "../core/invocation.ts";
import { WireError } from "../wire/frame.ts";
import { closeFrame, SOCKET_OP, socketFrame } from "../wire/socket_frames.ts";
import type { WireStream } from "../wire/stream.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

type Peer = Parameters<InvocationSocket["listen"]>[0];

/** Who counts what happens on a socket. */
export interface SocketOwner {
  /** The client sent a message. */
  clientSent(): void;
  /** The function sent a message. */
  functionSent(): void;
  /** Either side has closed. */
  closed(): void;
}

/** The host's end. */
export class FunctionSocket implements InvocationSocket {
  readonly #stream: WireStream;
  readonly #owner: SocketOwner;
  #peer: Peer | undefined;
  #early: (() => void)[] = [];
  #closed = false;
  #peerTold = false;

  constructor(stream: WireStream, owner: SocketOwner) {
    this.#stream = stream;
    this.#owner = owner;
  }

  send(message: SocketMessage): boolean {
    if (this.#stream.full) return false;
    this.#owner.clientSent();
    const op = typeof message === "string" ? SOCKET_OP.text : SOCKET_OP.binary;
    this.#stream.send(socketFrame(op, typeof message === "string" ? encoder.encode(message) : message));
    return true;
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.closed();
    this.#stream.send(closeFrame(code, reason));
    this.#stream.end();
  }

  listen(peer: Peer): void {
    this.#peer = peer;
    for (const deliver of this.#early.splice(0)) deliver();
  }

  /** There is credit again. */
  writable(): void {
    this.#peer?.writable();
  }

  drained(bytes: number): void {
    this.#stream.consumed(bytes);
  }

  /** Takes a frame of the function. @throws {WireError} */
  receive(payload: Uint8Array): void {
    const body = payload.subarray(1);
    this.#owner.functionSent();
    if (payload[0] === SOCKET_OP.text) {
      const text = decoder.decode(body);
      this.#deliver((peer) => peer.message(text));
    } else if (payload[0] === SOCKET_OP.binary) {
      this.#deliver((peer) => peer.message(body));
    } else if (payload[0] === SOCKET_OP.close) {
      const { code, reason } = parseClose(body);
      this.#peerClose(code, reason);
    } else {
      throw new WireError(`Cannot read WebSocket frame: opcode ${payload[0]} is unknown`);
    }
  }

  /** The function's direction is over without a close. */
  receiveEnd(): void {
    this.#peerClose(1000, "");
  }

  /** The invocation was ended: the client sees an abnormal close, or that the server goes away. */
  cut(error: IsopodError): void {
    if (error.code === "draining") this.#peerClose(1001, "The server is shutting down");
    else this.#peerClose(1011, "The function was ended");
  }

  #peerClose(code: number, reason: string): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#owner.closed();
      this.#stream.end();
    }
    if (this.#peerTold) return;
    this.#peerTold = true;
    this.#deliver((peer) => peer.close(code, reason));
  }

  #deliver(deliver: (peer: Peer) => void): void {
    const peer = this.#peer;
    if (peer === undefined) this.#early.push(() => deliver(this.#peer as Peer));
    else deliver(peer);
  }
}

/** The code and reason of a close; what no endpoint may send (RFC 6455, 7.4) becomes 1000. */
function parseClose(body: Uint8Array): { code: number; reason: string } {
  try {
    const { code, reason } = JSON.parse(decoder.decode(body)) as { code?: unknown; reason?: unknown };
    const valid = typeof code === "number" && Number.isInteger(code) && maySend(code);
    return { code: valid ? code : 1000, reason: typeof reason === "string" ? cutText(reason) : "" };
  } catch {
    throw new WireError("Cannot read WebSocket close: it is not JSON");
  }
}

/** Whether an endpoint may send this close code (RFC 6455, 7.4). */
function maySend(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** A close's reason has 123 bytes at most; a character that does not fit whole is left out. */
const REASON_BYTES_MAX = 123;

function cutText(text: string): string {
  const bytes = new Uint8Array(REASON_BYTES_MAX);
  const { read } = encoder.encodeInto(text, bytes);
  return text.slice(0, read);
}
