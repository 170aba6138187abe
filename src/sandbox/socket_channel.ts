/**
 * One socket to a forked process, as bytes that are written and a stream of those that arrive.
 *
 * What its peer does not read waits here, and is counted; what its reader does not read makes it stop reading, so that
 * the socket is the back-pressure of who writes at the other end.
 */
import { type Deferred, deferred } from "../stdx/deferred.ts";

/** Bytes that may have arrived and not been read before reading stops. */
const ARRIVED_BYTES_MAX = 256 * 1024;

/** One socket. */
export class SocketChannel {
  /** What arrives; ends with the socket. */
  readonly output: ReadableStream<Uint8Array>;
  readonly #closed: Deferred<void> = deferred();
  #socket: Bun.Socket | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  #paused = false;

  private constructor() {
    this.output = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#resume(),
        cancel: () => this.#drop(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: ARRIVED_BYTES_MAX }),
    );
  }

  /** Takes the descriptor of a connected socket over, and closes it in the end. @throws {Error} when it is none */
  static async open(descriptor: number): Promise<SocketChannel> {
    const channel = new SocketChannel();
    const socket: Bun.SocketHandler = {
      data: (_, bytes) => channel.#arrived(bytes),
      drain: () => channel.#send(),
      close: () => channel.#over(),
      error: () => channel.#over(),
    };
    // Bun takes a descriptor here; its types do not say so.
    const options = { fd: descriptor, socket } as unknown as Bun.UnixSocketOptions<undefined>;
    channel.#socket = await Bun.connect(options);
    return channel;
  }

  /** Settles when the socket is closed, by either side. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Bytes that wait for the peer. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Sends `bytes`, now or when the peer reads again; they are copied when they have to wait. */
  write(bytes: Uint8Array): void {
    const written = this.#unsentBytes > 0 ? 0 : Math.max(0, this.#socket?.write(bytes) ?? 0);
    if (written === bytes.length) return;
    this.#unsent.push(bytes.slice(written));
    this.#unsentBytes += bytes.length - written;
  }

  /** Closes the socket; what has not been sent is lost. */
  close(): void {
    this.#socket?.terminate();
    this.#over();
  }

  #send(): void {
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const written = Math.max(0, this.#socket?.write(first) ?? 0);
      this.#unsentBytes -= written;
      if (written < first.length) {
        this.#unsent[0] = first.subarray(written);
        return;
      }
      this.#unsent.shift();
    }
  }

  #arrived(bytes: Uint8Array): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    // Bun uses the buffer again.
    controller.enqueue(bytes.slice());
    if ((controller.desiredSize ?? 0) > 0) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket?.resume();
  }

  /** Nobody reads any more: what arrives is read and dropped, so that the end is noticed. */
  #drop(): void {
    this.#controller = undefined;
    this.#resume();
  }

  #over(): void {
    const controller = this.#controller;
    this.#controller = undefined;
    this.#unsent = [];
    this.#unsentBytes = 0;
    controller?.close();
    this.#closed.resolve();
  }
}
