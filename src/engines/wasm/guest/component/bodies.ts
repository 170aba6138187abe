/** Bodies of `wasi:http/types`, in and out. Trailers are neither received nor sent. */
import { ByteSink } from "./byte_sink.ts";
import { ByteSource } from "./byte_source.ts";
import type { Fields } from "./fields.ts";
import { Failure, type Lifetime } from "./lifetime.ts";
import { Pollable, READY } from "./poll.ts";
import { InputStream, OutputStream } from "./streams.ts";

/** A result without a value, as the functions of WASI fail that say no more. */
export const failure = (): Failure => new Failure(undefined);

/** A body that arrives. */
export class IncomingBody {
  readonly lifetime: Lifetime;
  readonly #source: ByteSource;
  #isTaken = false;

  constructor(lifetime: Lifetime, body: ReadableStream<Uint8Array> | null) {
    this.lifetime = lifetime;
    this.#source = new ByteSource(body);
  }

  static finish(body: IncomingBody): FutureTrailers {
    body.#source.cancel();
    return new FutureTrailers(body.lifetime);
  }

  stream(): InputStream {
    if (this.#isTaken) throw failure();
    this.#isTaken = true;
    return new InputStream(this.lifetime, this.#source);
  }

  [Symbol.dispose](): void {
    this.#source.cancel();
  }
}

/** The trailers of a body that has arrived: there are none. */
export class FutureTrailers {
  readonly #lifetime: Lifetime;
  #isTaken = false;

  constructor(lifetime: Lifetime) {
    this.#lifetime = lifetime;
  }

  subscribe(): Pollable {
    return new Pollable(this.#lifetime, READY);
  }

  get(): object {
    if (this.#isTaken) return { tag: "err", val: undefined };
    this.#isTaken = true;
    return { tag: "ok", val: { tag: "ok", val: undefined } };
  }
}

/** A body that is written. */
export class OutgoingBody {
  readonly sink = new ByteSink();
  readonly #lifetime: Lifetime;
  readonly #length: number | undefined;
  #isTaken = false;
  #isFinished = false;

  constructor(lifetime: Lifetime, headers: Fields) {
    this.#lifetime = lifetime;
    const [length] = headers.get("content-length");
    this.#length = length === undefined ? undefined : Number(new TextDecoder().decode(length));
  }

  static finish(body: OutgoingBody, _trailers: Fields | undefined): void {
    body.#isFinished = true;
    const { sink } = body;
    if (body.#length === undefined || body.#length === sink.written) return sink.end();
    sink.fail(new Error(`its body has ${sink.written} bytes, and its content-length is ${body.#length}`));
    throw new Failure({ tag: "HTTP-request-body-size", val: BigInt(sink.written) });
  }

  write(): OutputStream {
    if (this.#isTaken) throw failure();
    this.#isTaken = true;
    return new OutputStream(this.#lifetime, this.sink);
  }

  [Symbol.dispose](): void {
    if (!this.#isFinished) this.sink.fail(new Error("its body was dropped before it was finished"));
  }
}
