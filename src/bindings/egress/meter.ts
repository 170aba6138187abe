/** Bytes of one response, as the invocation is charged for them. */
import type { CallScope } from "../../core/binding.ts";

/** Charges the larger of what came over the wire and what came out of the decoder, each byte once. */
export class Meter {
  readonly #scope: CallScope;
  #received = 0;
  #decoded = 0;
  #charged = 0;

  constructor(scope: CallScope) {
    this.#scope = scope;
  }

  /** Bytes of the body came over the wire. @throws {IsopodError} `subrequest_limit` */
  received(bytes: number): void {
    this.#received += bytes;
    this.#charge();
  }

  /** Bytes came out of a decoder. @throws {IsopodError} `subrequest_limit` */
  decoded(bytes: number): void {
    this.#decoded += bytes;
    this.#charge();
  }

  #charge(): void {
    const due = Math.max(this.#received, this.#decoded) - this.#charged;
    if (due <= 0) return;
    this.#charged += due;
    this.#scope.countSubrequestBytes(due);
  }
}
