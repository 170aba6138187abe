/** Answers of `wasi:http/types`: the component's own, and those to its requests. */
import { failure, IncomingBody, OutgoingBody } from "./bodies.ts";
import { Fields } from "./fields.ts";
import { ComponentTrap, type Lifetime } from "./lifetime.ts";

const BODILESS = new Set([204, 205, 304]);

/** The answer that a component makes. */
export class OutgoingResponse {
  readonly #lifetime: Lifetime;
  readonly #headers: Fields;
  #status = 200;
  #body: OutgoingBody | undefined;

  constructor(headers: Fields, lifetime: Lifetime) {
    this.#headers = headers.seal();
    this.#lifetime = lifetime;
  }

  statusCode(): number {
    return this.#status;
  }

  setStatusCode(status: number): void {
    if (status < 200 || status > 599) throw failure();
    this.#status = status;
  }

  headers(): Fields {
    return this.#headers;
  }

  body(): OutgoingBody {
    if (this.#body !== undefined) throw failure();
    this.#body = new OutgoingBody(this.#lifetime, this.#headers);
    return this.#body;
  }

  /** What becomes of its body. */
  get outgoingBody(): OutgoingBody | undefined {
    return this.#body;
  }

  /** As the platform has it. What is written as its body from now on is sent. */
  toResponse(): Response {
    const body = this.#body === undefined || BODILESS.has(this.#status) ? null : this.#body.sink.body;
    return new Response(body as ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null, {
      status: this.#status,
      headers: this.#headers.toHeaders(),
    });
  }
}

/** What a component sets, or says why there is none. */
export type Outcome =
  | { readonly tag: "ok"; readonly val: OutgoingResponse }
  | { readonly tag: "err"; readonly val: { readonly tag: string; readonly val?: unknown } };

/** Where a component puts its answer, once. */
export class ResponseOutparam {
  readonly #taken: (outcome: Outcome) => void;

  constructor(taken: (outcome: Outcome) => void) {
    this.#taken = taken;
  }

  static set(param: ResponseOutparam, outcome: Outcome): void {
    if (!(#taken in param)) throw new ComponentTrap("response-outparam.set: the answer has been set already");
    param.#taken(outcome);
  }
}

/** The answer to a request of the component's. */
export class IncomingResponse {
  readonly #lifetime: Lifetime;
  readonly #response: Response;
  #isTaken = false;

  constructor(lifetime: Lifetime, response: Response) {
    this.#lifetime = lifetime;
    this.#response = response;
  }

  status(): number {
    return this.#response.status;
  }

  headers(): Fields {
    return Fields.received(this.#response.headers);
  }

  consume(): IncomingBody {
    if (this.#isTaken) throw failure();
    this.#isTaken = true;
    return new IncomingBody(this.#lifetime, this.#response.body);
  }

  [Symbol.dispose](): void {
    if (!this.#isTaken) this.#response.body?.cancel().catch(() => {});
  }
}
