/** `wasi:io/error` and `wasi:io/streams`. */
import type { Sink } from "./byte_sink.ts";
import type { ByteSource } from "./byte_source.ts";
import { ComponentTrap, Failure, type Lifetime } from "./lifetime.ts";
import { Pollable } from "./poll.ts";

/** What the functions that write and flush take at once, as WASI has it, in bytes. */
const BLOCKING_BYTES_MAX = 4096;
const CHUNK_BYTES_MAX = 64 * 1024;

/** `wasi:io/error`'s resource. */
export class IoError {
  /** What went wrong, as the host has it. */
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }

  toDebugString(): string {
    return this.error.message;
  }
}

const closed = () => new Failure({ tag: "closed" });

/** A stream that a component reads. */
export class InputStream {
  readonly #lifetime: Lifetime;
  readonly #source: ByteSource;

  constructor(lifetime: Lifetime, source: ByteSource) {
    this.#lifetime = lifetime;
    this.#source = source;
  }

  read(size: bigint): Uint8Array {
    const source = this.#source;
    if (source.isOver) {
      if (source.failure === undefined) throw closed();
      throw new Failure({ tag: "last-operation-failed", val: new IoError(source.failure) });
    }
    return source.take(Math.min(Number(size), CHUNK_BYTES_MAX));
  }

  async blockingRead(size: bigint): Promise<Uint8Array> {
    if (size > 0n) await this.#ready();
    return this.read(size);
  }

  skip(size: bigint): bigint {
    return BigInt(this.read(size).length);
  }

  async blockingSkip(size: bigint): Promise<bigint> {
    return BigInt((await this.blockingRead(size)).length);
  }

  subscribe(): Pollable {
    return new Pollable(this.#lifetime, this.#source);
  }

  /** Nobody reads the rest. */
  [Symbol.dispose](): void {
    this.#source.cancel();
  }

  async #ready(): Promise<void> {
    while (!this.#source.isReady) await this.#lifetime.wait(this.#source.change());
  }
}

/** A stream that a component writes. */
export class OutputStream {
  readonly #lifetime: Lifetime;
  readonly #sink: Sink;
  #permitted = 0;

  constructor(lifetime: Lifetime, sink: Sink) {
    this.#lifetime = lifetime;
    this.#sink = sink;
  }

  checkWrite(): bigint {
    this.#mustBeOpen();
    this.#permitted = this.#sink.room;
    return BigInt(this.#permitted);
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > this.#permitted) {
      throw new ComponentTrap(`write: ${bytes.length} bytes, over the ${this.#permitted} that check-write gave`);
    }
    this.#mustBeOpen();
    this.#permitted -= bytes.length;
    this.#sink.write(bytes);
  }

  async blockingWriteAndFlush(bytes: Uint8Array): Promise<void> {
    if (bytes.length > BLOCKING_BYTES_MAX) {
      throw new ComponentTrap(`blocking-write-and-flush: ${bytes.length} bytes, over ${BLOCKING_BYTES_MAX}`);
    }
    await this.#ready();
    this.#mustBeOpen();
    this.#sink.write(bytes);
    await this.blockingFlush();
  }

  /** What is written is on its way at once. */
  flush(): void {
    this.#mustBeOpen();
    this.#permitted = 0;
  }

  async blockingFlush(): Promise<void> {
    this.flush();
    await this.#ready();
  }

  writeZeroes(size: bigint): void {
    if (size > BigInt(this.#permitted)) throw new ComponentTrap(`write-zeroes: ${size} bytes, over what is permitted`);
    this.write(new Uint8Array(Number(size)));
  }

  async blockingWriteZeroesAndFlush(size: bigint): Promise<void> {
    await this.blockingWriteAndFlush(new Uint8Array(Math.min(Number(size), BLOCKING_BYTES_MAX + 1)));
  }

  splice(from: InputStream, size: bigint): bigint {
    this.#mustBeOpen();
    const bytes = from.read(BigInt(Math.min(Number(size), this.#sink.room)));
    this.#sink.write(bytes);
    return BigInt(bytes.length);
  }

  async blockingSplice(from: InputStream, size: bigint): Promise<bigint> {
    await this.#ready();
    this.#mustBeOpen();
    const bytes = await from.blockingRead(BigInt(Math.min(Number(size), this.#sink.room)));
    this.#mustBeOpen();
    this.#sink.write(bytes);
    return BigInt(bytes.length);
  }

  subscribe(): Pollable {
    return new Pollable(this.#lifetime, this.#sink);
  }

  #mustBeOpen(): void {
    if (this.#sink.isClosed) throw closed();
  }

  async #ready(): Promise<void> {
    while (!this.#sink.isReady) await this.#lifetime.wait(this.#sink.change());
  }
}
