/**
 * The server's end of a WebSocket (RFC 6455) that carries a stream of bytes: frames in, frames out, no messages.
 *
 * Chromium's own WebSocket is the other end, so that nothing is negotiated. Bun's server has WebSockets, but answers no
 * CONNECT, by which browsers reach them through a proxy, and cannot be told to wait before it reads on.
 */
import type { BodySink, Reply } from "../../guest/http_reply.ts";

/** What RFC 6455 has a server prove that it knows. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FIN_BINARY = 0x80 | OP.binary;

/** More waits to be sent than this, and the sender should wait. In bytes. */
const HEADER_BYTES_MAX = 14;

/** Who takes what comes over a WebSocket. */
export interface SocketOwner {
  /** The next bytes; they are the owner's for good. */
  data(bytes: Uint8Array): void;
  /** What had to wait has left. */
  drained(): void;
  gone(): void;
}

/** One WebSocket. */
export class ByteSocket implements BodySink {
  readonly #owner: SocketOwner;
  readonly #reply: Reply;
  #held: Uint8Array = new Uint8Array(0);
  /** Of the frame that is being read. */
  #left = 0;
  #mask = new Uint8Array(4);
  #at = 0;
  #isPayload = false;

  /** Accepts the upgrade that `key` asks for. */
  constructor(reply: Reply, key: string, owner: SocketOwner) {
    this.#owner = owner;
    const accept = new Bun.CryptoHasher("sha1").update(key + ACCEPT_GUID).digest("base64");
    const head = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
    this.#reply = reply;
    reply.onDrain = () => owner.drained();
    reply.tunnel(this, head);
  }

  /** Sends bytes as one message; false when they wait, and `drained` is called when they have left. */
  send(bytes: Uint8Array): boolean {
    const { length } = bytes;
    const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
    const frame = new Uint8Array(head + length);
    frame[0] = FIN_BINARY;
    frame[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
    if (head === 4) {
      frame[2] = length >>> 8;
      frame[3] = length;
    } else if (head === 10) {
      new DataView(frame.buffer).setUint32(6, length);
    }
    frame.set(bytes, head);
    return this.#reply.write(frame);
  }

  pause(): void {
    this.#reply.pause();
  }

  resume(): void {
    this.#reply.resume();
  }

  close(): void {
    this.#reply.finish(false);
  }

  end(): void {
    this.close();
  }

  cut(): void {
    this.#owner.gone();
  }

  data(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#held.length > 0) {
      bytes = new Uint8Array(this.#held.length + chunk.length);
      bytes.set(this.#held);
      bytes.set(chunk, this.#held.length);
    }
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        const size = this.#readHead(bytes, at);
        if (size === 0) break;
        at += size;
        if (size < 0) return this.close();
        continue;
      }
      const taken = Math.min(this.#left, bytes.length - at);
      const payload = this.#unmask(bytes, at, taken);
      this.#left -= taken;
      at += taken;
      if (this.#isPayload) this.#owner.data(payload);
    }
    this.#held = at < bytes.length ? bytes.slice(at) : NOTHING;
  }

  /** Reads a frame's head; its size, 0 when it is not all there, -1 when the other end closes or is no browser. */
  #readHead(bytes: Uint8Array, at: number): number {
    const first = bytes[at];
    const second = bytes[at + 1];
    if (first === undefined || second === undefined) return 0;
    const short = second & 0x7f;
    const size = short === 126 ? 8 : short === 127 ? HEADER_BYTES_MAX : 6;
    if (bytes.length - at < size) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, size);
    const op = first & 0xf;
    if ((second & 0x80) === 0 || op === OP.close || (short === 127 && view.getUint32(2) !== 0)) return -1;
    this.#left = short === 126 ? view.getUint16(2) : short === 127 ? view.getUint32(6) : short;
    this.#mask = bytes.slice(at + size - 4, at + size);
    this.#at = 0;
    this.#isPayload = op === OP.continuation || op === OP.binary;
    return size;
  }

  #unmask(bytes: Uint8Array, from: number, length: number): Uint8Array {
    const payload = new Uint8Array(length);
    const [a = 0, b = 0, c = 0, d = 0] = rotated(this.#mask, this.#at);
    const whole = length & ~3;
    for (let at = 0; at < whole; at += 4) {
      payload[at] = (bytes[from + at] as number) ^ a;
      payload[at + 1] = (bytes[from + at + 1] as number) ^ b;
      payload[at + 2] = (bytes[from + at + 2] as number) ^ c;
      payload[at + 3] = (bytes[from + at + 3] as number) ^ d;
    }
    const rest = [a, b, c];
    for (let at = whole; at < length; at += 1)
      payload[at] = (bytes[from + at] as number) ^ (rest[at - whole] as number);
    this.#at = (this.#at + length) & 3;
    return payload;
  }
}

const NOTHING = new Uint8Array(0);

function rotated(mask: Uint8Array, by: number): readonly number[] {
  return [0, 1, 2, 3].map((at) => mask[(at + by) & 3] as number);
}
