/** `wasi:io/poll`: what can be waited for. */
import { ComponentTrap, type Lifetime } from "./lifetime.ts";

/** More at once than any correct component has. */
const POLLABLES_MAX = 4096;

/** What a pollable looks at. */
export interface Awaited {
  readonly isReady: boolean;
  /** Resolves when it may have become ready; another look is due then. */
  change(): Promise<void>;
  /** Nobody waits any more. */
  dispose?(): void;
}

/** A pollable. */
export class Pollable {
  readonly lifetime: Lifetime;
  readonly awaited: Awaited;

  constructor(lifetime: Lifetime, awaited: Awaited) {
    this.lifetime = lifetime;
    this.awaited = awaited;
  }

  ready(): boolean {
    return this.awaited.isReady;
  }

  async block(): Promise<void> {
    while (!this.awaited.isReady) await this.lifetime.wait(this.awaited.change());
  }

  [Symbol.dispose](): void {
    this.awaited.dispose?.();
  }
}

/** Waits until one of them is ready. @returns which are, by their places */
export async function poll(list: readonly Pollable[]): Promise<Uint32Array> {
  const [first] = list;
  if (first === undefined) throw new ComponentTrap("poll: there is nothing to wait for");
  if (list.length > POLLABLES_MAX) throw new ComponentTrap(`poll: ${list.length} pollables, over ${POLLABLES_MAX}`);
  for (;;) {
    const ready = list.flatMap(({ awaited }, index) => (awaited.isReady ? [index] : []));
    if (ready.length > 0) return Uint32Array.from(ready);
    await first.lifetime.wait(Promise.race(list.map(({ awaited }) => awaited.change())));
  }
}

/** Something that happens once. */
export class Happening implements Awaited {
  isReady = false;
  readonly #happened: Promise<void>;

  constructor(happened: Promise<unknown>) {
    const settle = () => {
      this.isReady = true;
    };
    this.#happened = happened.then(settle, settle);
  }

  change(): Promise<void> {
    return this.#happened;
  }
}

/** What is ready from the beginning. */
export const READY: Awaited = { isReady: true, change: () => Promise.resolve() };
