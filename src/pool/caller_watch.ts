/** Watches whether the caller of an invocation hangs up; not from its beginning, since a signal costs 5 µs and most are short. */
export class CallerWatch {
  readonly #signal: AbortSignal;
  readonly #gone: () => void;

  /** @param gone called once, also when the caller has hung up before */
  constructor({ signal }: { readonly signal: AbortSignal }, gone: () => void) {
    this.#signal = signal;
    this.#gone = gone;
    if (signal.aborted) gone();
    else signal.addEventListener("abort", gone);
  }

  /** What the caller does is of no interest any more. */
  stop(): void {
    this.#signal.removeEventListener("abort", this.#gone);
  }
}
