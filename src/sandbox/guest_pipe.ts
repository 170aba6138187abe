/**
 * The host's end of a guest's standard input and output: one socket, read and written without streams.
 *
 * A stream on a pipe costs 4 µs a round trip more. What the guest has not read waits here, up to a bound; what the host
 * does not want yet waits in the guest, whose writes then block.
 */
import type { GuestReader } from "../core/engine.ts";

/** How much a guest may leave unread, in bytes: more than the largest program and what its invocations' credit allows. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

/** The end. */
export class GuestPipe {
  readonly #overflow: () => void;
  #socket: Bun.Socket | undefined;
  #reader: GuestReader | undefined;
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #ended = false;

  /**
   * Takes the descriptor `fd` over.
   * @param overflow is called when the guest leaves too much unread; the pipe must then be over soon
   */
  constructor(fd: number, overflow: () => void) {
    this.#overflow = overflow;
    const options = {
      fd,
      socket: {
        open: (socket: Bun.Socket) => {
          this.#socket = socket;
          // What comes before somebody reads must wait.
          socket.pause();
        },
        data: (_: Bun.Socket, chunk: Uint8Array) => this.#reader?.data(chunk),
        drain: () => this.#drain(),
        close: () => this.#end(),
        error: () => this.#end(),
      },
    };
    // The types know no `fd` without an address.
    Bun.connect(options as unknown as Bun.UnixSocketOptions<undefined>).catch(() => this.#end());
  }

  /** Hands what the guest writes to `reader` from now on. */
  read(reader: GuestReader): void {
    this.#reader = reader;
    if (this.#ended) reader.end();
    else this.resume();
  }

  /** Reads no more for now. */
  pause(): void {
    this.#socket?.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#socket?.resume();
  }

  /** Hands bytes to the guest; they are copied or written before it returns. */
  write(bytes: Uint8Array): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    const written = this.#unreadBytes > 0 ? 0 : Math.max(0, socket.write(bytes));
    if (written === bytes.length || this.#ended) return;
    this.#unread.push(bytes.slice(written));
    this.#unreadBytes += bytes.length - written;
    if (this.#unreadBytes > UNREAD_BYTES_MAX) this.#overflow();
  }

  /** Writes no more: the guest sees the end of its input. */
  finish(): void {
    this.#socket?.shutdown();
  }

  /** The guest is gone: nobody reads, and what it said last is for who reads it. */
  close(): void {
    if (this.#reader === undefined) this.#socket?.terminate();
  }

  #drain(): void {
    for (let first = this.#unread[0]; first !== undefined; first = this.#unread[0]) {
      const written = Math.max(0, this.#socket?.write(first) ?? 0);
      this.#unreadBytes -= written;
      if (written < first.length) {
        this.#unread[0] = first.subarray(written);
        return;
      }
      this.#unread.shift();
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket = undefined;
    this.#unread = [];
    this.#unreadBytes = 0;
    this.#reader?.end();
  }
}
