/** Sends a request's body to the guest, under credit, and holds it to its limit. */
import { IsopodError } from "../core/errors.ts";
import type { Body } from "../core/invocation.ts";
import type { Limits } from "../core/limits.ts";
import type { WireStream } from "../wire/stream.ts";
import { limitError } from "./figures.ts";

/** Bytes in one frame: small enough that other streams get their turn. */
const CHUNK_BYTES = 64 * 1024;

/** Pumps one body into one stream. */
export class RequestBodyPump {
  readonly #body: NonNullable<Body>;
  readonly #stream: WireStream;
  readonly #limits: Limits;
  readonly #failed: (error: IsopodError) => void;
  #reader: { cancel(): Promise<void> } | undefined;
  #wake: (() => void) | undefined;
  #stopped = false;

  constructor(body: NonNullable<Body>, stream: WireStream, limits: Limits, failed: (error: IsopodError) => void) {
    this.#body = body;
    this.#stream = stream;
    this.#limits = limits;
    this.#failed = failed;
  }

  /** Sends everything, then the end. Never rejects. */
  async run(): Promise<void> {
    try {
      if (this.#body instanceof Uint8Array) {
        await this.#send(this.#body, this.#body.length);
      } else {
        await this.#sendStream(this.#body);
      }
      if (!this.#stopped) this.#stream.end();
    } catch (error) {
      if (this.#stopped) return;
      const cause = error instanceof IsopodError ? error : new IsopodError("client_gone", { cause: error });
      this.#failed(cause);
    }
  }

  /** There is credit again. */
  resume(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Stops: nobody wants the rest. */
  stop(): void {
    this.#stopped = true;
    this.resume();
    this.#reader?.cancel().catch(() => {});
  }

  async #sendStream(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader();
    this.#reader = reader;
    let total = 0;
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.#stopped) return;
      total += value.length;
      await this.#send(value, total);
    }
  }

  async #send(bytes: Uint8Array, total: number): Promise<void> {
    if (total > this.#limits.bodyBytesMax) throw limitError("body_too_large", "bodyBytesMax", this.#limits);
    for (let at = 0; at < bytes.length && !this.#stopped; at += CHUNK_BYTES) {
      if (this.#stream.send(bytes.subarray(at, at + CHUNK_BYTES))) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
