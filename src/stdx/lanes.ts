/** Runs work a few at a time, in the order in which it came. What waits is bounded by whoever hands it in. */
export class Lanes {
  readonly #lanes: number;
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  /** @param lanes how much work goes on at a time */
  constructor(lanes: number) {
    this.#lanes = lanes;
  }

  /** Does work when there is room; what it gives or throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy >= this.#lanes) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy += 1;
    try {
      return await work();
    } finally {
      // The lane is handed on as it is, so that nobody slips in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy -= 1;
      else next();
    }
  }
}
