/** Ends a program in good order: SIGTERM some time before an invocation's deadline; what is left then is the host's to kill. */
import type { Child } from "./child.ts";

/** Watches the deadline of one invocation at a time. */
export class Grace {
  readonly #graceMs: number;
  readonly #children: () => Iterable<Child>;
  #timer: Timer | undefined;
  /** A program that was told to end is not given more work. */
  hasStruck = false;

  /** @param children those who are told */
  constructor(graceMs: number, children: () => Iterable<Child>) {
    this.#graceMs = graceMs;
    this.#children = children;
  }

  /** An invocation begins; `deadline` in milliseconds since the Unix epoch. */
  begin(deadline: number): void {
    if (this.#graceMs === 0) return;
    this.hasStruck = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.hasStruck = true;
        for (const child of this.#children()) child.signal("SIGTERM");
      },
      Math.max(0, deadline - Date.now() - this.#graceMs),
    );
  }

  /** It is over. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
