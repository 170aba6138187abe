/**
 * One open connection: bytes of the call's body to the socket, bytes of the socket to the answer's body, each as fast
 * as the other side takes them.
 */
import type { Socket } from "node:net";
import type { CallScope } from "../../core/binding.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";

/** What a connection needs. */
export interface ConnectionOptions {
  readonly scope: CallScope;
  readonly clock: Clock;
  /** Silence in both directions after which it is closed, in milliseconds. */
  readonly idleMs: number;
  /** Called once, when the socket is gone. */
  closed(): void;
}

interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** The connection. */
export class OpenConnection {
  /** What the socket receives; reading it is what lets more come. */
  readonly incoming: ReadableStream<Uint8Array>;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #reader: ByteReader;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #cancelIdle = () => {};
  #ended = false;

  constructor(socket: Socket, outgoing: ReadableStream<Uint8Array>, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = outgoing.getReader();
    socket.pause();
    this.incoming = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => void socket.resume(),
        cancel: () => {
          this.#ended = true;
          socket.destroy();
        },
      },
      { highWaterMark: 0 },
    );
    const { signal } = options.scope;
    const abort = () => this.destroy();
    signal.addEventListener("abort", abort);
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("end", () => this.#end());
    socket.on("error", (error: Error & { code?: string }) => {
      this.#end(failed(`the connection broke (${error.code ?? "closed"})`));
    });
    socket.on("close", () => {
      signal.removeEventListener("abort", abort);
      this.#cancelIdle();
      this.#end();
      this.#reader.cancel().catch(() => {});
      options.closed();
    });
    if (signal.aborted) abort();
    this.#beBusy();
    this.#send();
  }

  /** Closes it at once. Whoever reads is told that it was cut off. */
  destroy(): void {
    this.#end(failed("the call was ended"));
    this.#socket.destroy();
  }

  #received(chunk: Uint8Array): void {
    this.#socket.pause();
    this.#beBusy();
    if (this.#ended) return;
    try {
      this.#options.scope.countSubrequestBytes(chunk.length);
      this.#controller?.enqueue(chunk);
    } catch (error) {
      this.#end(error);
      this.#socket.destroy();
    }
  }

  async #send(): Promise<void> {
    try {
      for (;;) {
        const { value, done } = await this.#reader.read();
        if (done || value === undefined) break;
        this.#beBusy();
        this.#options.scope.countSubrequestBytes(value.length);
        if (!this.#socket.write(value)) await this.#drained();
        if (this.#socket.destroyed) return;
      }
      this.#socket.end();
    } catch (error) {
      this.#end(error);
      this.#socket.destroy();
    }
  }

  #drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = () => {
      this.#socket.off("drain", done);
      this.#socket.off("close", done);
      resolve();
    };
    this.#socket.once("drain", done);
    this.#socket.once("close", done);
    return promise;
  }

  #end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (error === undefined) this.#controller?.close();
    else this.#controller?.error(error);
  }

  #beBusy(): void {
    const { clock, idleMs } = this.#options;
    this.#cancelIdle();
    this.#cancelIdle = clock.after(idleMs, () => {
      this.#end(failed(`nothing was sent or received for ${idleMs} ms`));
      this.#socket.destroy();
    });
  }
}

function failed(why: string): IsopodError {
  return new IsopodError("egress_failed", { message: `Cannot use the connection: ${why}` });
}
