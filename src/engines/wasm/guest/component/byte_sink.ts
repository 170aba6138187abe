/** Bytes that a component writes, on their way to whoever reads them: as many are held as the writer may be ahead. */
import { type BodyReceiver, receiveBody } from "../../../guest/bodies.ts";
import type { Awaited } from "./poll.ts";

/** How far writers may be ahead, in bytes. */
const AHEAD_BYTES_MAX = 64 * 1024;

/** What an output stream writes to; ready where there is room, or never will be. */
export interface Sink extends Awaited {
  /** In bytes. */
  readonly room: number;
  /** Whether nobody takes any more. */
  readonly isClosed: boolean;
  write(bytes: Uint8Array): void;
}

/** A body that is being written. */
export class ByteSink implements Sink {
  readonly #body: BodyReceiver;
  #held = 0;
  #changed: { readonly promise: Promise<void>; resolve(): void } | undefined;
  #ended = false;
  /** All that was written, in bytes. */
  written = 0;
  isClosed = false;

  constructor() {
    this.#body = receiveBody(
      (bytes) => {
        this.#held -= bytes;
        this.#tell();
      },
      () => this.#close(),
    );
  }

  /** What was written, as a whole when that is known already. */
  get body(): ReadableStream<Uint8Array> | Uint8Array {
    return this.#body.whole() ?? this.#body.stream;
  }

  get room(): number {
    return this.isClosed ? 0 : Math.max(0, AHEAD_BYTES_MAX - this.#held);
  }

  get isReady(): boolean {
    return this.isClosed || this.room > 0;
  }

  change(): Promise<void> {
    if (this.isReady) return Promise.resolve();
    this.#changed ??= Promise.withResolvers<void>();
    return this.#changed.promise;
  }

  write(bytes: Uint8Array): void {
    if (this.isClosed || bytes.length === 0) return;
    this.#held += bytes.length;
    this.written += bytes.length;
    this.#body.data(bytes);
  }

  /** It is complete. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#close();
    this.#body.end();
  }

  /** It will never be complete. */
  fail(reason: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#close();
    this.#body.fail(reason);
  }

  #close(): void {
    this.isClosed = true;
    this.#tell();
  }

  #tell(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}
