/** Steps that must not overlap, by name: each begins when the one before it under the same name is over. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `step` in its turn; settles as it does. */
  take<T>(name: string, step: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(step);
    const over = turn.then(
      () => {},
      () => {},
    );
    this.#last.set(name, over);
    over.then(() => {
      if (this.#last.get(name) === over) this.#last.delete(name);
    });
    return turn;
  }
}
