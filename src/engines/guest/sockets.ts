/**
 * WebSockets inside a guest: `WebSocketPair` as Workers have it, and `Deno.upgradeWebSocket` on top of it.
 *
 * The two ends are joined in memory. The end that a function returns with status 101 is bound to the invocation's
 * stream: each message is one `data` frame, its first byte the opcode (1 text, 2 binary, 8 close).
 */

import { DATA_BYTES_MAX } from "../../wire/frame.ts";
import { SOCKET_OP, socketFrame } from "../../wire/socket_frames.ts";
import type { WireStream } from "../../wire/stream.ts";

/** Where an end sends what its function writes. */
interface Peer {
  message(data: string | ArrayBuffer): void;
  close(code: number, reason: string): void;
}

type BinaryInput = ArrayBuffer | ArrayBufferView<ArrayBuffer>;

/** One end of a pair. Events before `accept` wait. */
export class PairSocket extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readyState: number = PairSocket.CONNECTING;
  binaryType = "arraybuffer";
  /** The subprotocol that was agreed on. */
  protocol = "";
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onopen: ((event: Event) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  #peer: Peer | undefined;
  #waiting: (() => void)[] = [];

  /** Begins to deliver events; Cloudflare's API asks for this call. */
  accept(): void {
    if (this.readyState !== PairSocket.CONNECTING) return;
    this.readyState = PairSocket.OPEN;
    for (const deliver of this.#waiting.splice(0)) deliver();
  }

  send(data: string | BinaryInput): void {
    if (this.readyState > PairSocket.OPEN) return;
    this.#peer?.message(typeof data === "string" ? data : copyOf(data));
  }

  close(code = 1000, reason = ""): void {
    if (this.readyState > PairSocket.OPEN) return;
    this.readyState = PairSocket.CLOSING;
    this.#peer?.close(code, reason);
    this.#closed(code, reason);
  }

  /** Joins this end to what is on the other side. */
  attach(peer: Peer): void {
    this.#peer = peer;
  }

  /** Delivers a message from the other side. */
  deliver(data: string | ArrayBuffer): void {
    this.#whenAccepted(() => this.#fire("onmessage", new MessageEvent("message", { data })));
  }

  /** The other side has closed. */
  peerClosed(code: number, reason: string): void {
    this.#whenAccepted(() => this.#closed(code, reason));
  }

  #closed(code: number, reason: string): void {
    if (this.readyState === PairSocket.CLOSED) return;
    this.readyState = PairSocket.CLOSED;
    this.#fire("onclose", new CloseEvent("close", { code, reason, wasClean: code !== 1006 }));
  }

  #whenAccepted(deliver: () => void): void {
    if (this.readyState === PairSocket.CONNECTING) this.#waiting.push(deliver);
    else deliver();
  }

  #fire(slot: "onmessage" | "onclose", event: MessageEvent | CloseEvent): void {
    this.dispatchEvent(event);
    (this[slot] as ((event: Event) => void) | null)?.(event);
  }
}

/** Two joined ends, as `[client, server]` by index. */
export class WebSocketPair {
  readonly 0: PairSocket;
  readonly 1: PairSocket;

  constructor() {
    const client = new PairSocket();
    const server = new PairSocket();
    this[0] = client;
    this[1] = server;
    join(client, server);
    join(server, client);
  }
}

function join(from: PairSocket, to: PairSocket): void {
  from.attach({
    message: (data) => queueMicrotask(() => to.deliver(data)),
    close: (code, reason) => queueMicrotask(() => to.peerClosed(code, reason)),
  });
}

function copyOf(data: BinaryInput): ArrayBuffer {
  const view =
    data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return view.slice().buffer;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a function may have waiting for a client that does not keep up, in bytes. */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;

/** The largest message; the host may hold to a lower limit. */
const MESSAGE_BYTES_MAX = DATA_BYTES_MAX;

/** The far side of a bound socket. */
export interface BoundSocket {
  /** Takes a frame of the host. */
  data(payload: Uint8Array): void;
  /** The stream has credit again. */
  writable(): void;
  /** The client is gone without a closing handshake. */
  gone(): void;
}

/** Binds the client end of a pair to its invocation's stream. */
export function bindSocket(socket: PairSocket, stream: WireStream): BoundSocket {
  const queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let ended = false;
  const drain = () => {
    while (queue.length > 0 && !stream.full) {
      const frame = queue.shift() as Uint8Array;
      queuedBytes -= frame.length;
      stream.send(frame);
    }
    if (ended && queue.length === 0) stream.end();
  };
  const send = (op: number, body: Uint8Array) => {
    if (ended) return;
    if (body.length > MESSAGE_BYTES_MAX) return socket.close(1009, `A message is over ${MESSAGE_BYTES_MAX} bytes`);
    queue.push(socketFrame(op, body));
    queuedBytes += body.length + 1;
    drain();
    if (queuedBytes > QUEUE_BYTES_MAX) {
      queue.length = 0;
      queuedBytes = 0;
      socket.close(1013, "The client does not keep up");
    }
  };
  socket.accept();
  socket.addEventListener("message", (event) => {
    const { data } = event as MessageEvent<string | ArrayBuffer>;
    if (typeof data === "string") send(SOCKET_OP.text, encoder.encode(data));
    else send(SOCKET_OP.binary, new Uint8Array(data));
  });
  socket.addEventListener("close", (event) => {
    const { code, reason } = event as CloseEvent;
    send(SOCKET_OP.close, encoder.encode(JSON.stringify({ code, reason })));
    ended = true;
    drain();
  });
  return {
    writable: drain,
    data(payload) {
      stream.consumed(payload.length);
      const body = payload.subarray(1);
      if (payload[0] === SOCKET_OP.text) socket.send(decoder.decode(body));
      else if (payload[0] === SOCKET_OP.binary) socket.send(body.slice().buffer);
      else {
        const { code, reason } = JSON.parse(decoder.decode(body)) as { code: number; reason: string };
        socket.close(code, reason);
        // Nobody is there any more for what waits.
        queue.length = 0;
        stream.end();
      }
    },
    gone: () => socket.close(1006, ""),
  };
}
