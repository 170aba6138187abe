/**
 * Things that are open because somebody uses them, by name: opened when they are first asked for, closed when nobody has
 * used them for a while, never more than a number at a time, and removed for good one at a time a name.
 */
import type { Clock } from "../core/clock.ts";

/** Something that is open. */
export interface Idler {
  /** Whether somebody uses it: then it stays open. */
  readonly busy: boolean;
  close(): Promise<void>;
}

/** How a set is set up. */
export interface IdleSetOptions<T extends Idler> {
  readonly openMax: number;
  readonly idleMs: number;
  readonly clock: Clock;
  open(name: string): T;
  /** Removes what is kept under a name; it is closed. */
  erase(name: string): Promise<void>;
  /** The error when all that may be open are in use. */
  full(): Error;
  /** The error of what is being removed. */
  removing(name: string): Error;
  /** Hears of what cannot be closed. */
  report(name: string, error: unknown): void;
}

/** The set. */
export class IdleSet<T extends Idler> {
  readonly #options: IdleSetOptions<T>;
  readonly #open = new Map<string, { readonly thing: T; usedAt: number }>();
  readonly #removing = new Map<string, Promise<void>>();

  constructor(options: IdleSetOptions<T>) {
    this.#options = options;
  }

  /** What is open, by name. */
  *[Symbol.iterator](): Generator<[string, T]> {
    for (const [name, { thing }] of this.#open) yield [name, thing];
  }

  /** The thing of a name, opened when it is not. @throws what opening throws, `full` or `removing` */
  get(name: string): T {
    const { clock, openMax, open, removing } = this.#options;
    const usedAt = clock.now();
    const opened = this.#open.get(name);
    if (opened !== undefined) {
      opened.usedAt = usedAt;
      return opened.thing;
    }
    if (this.#removing.has(name)) throw removing(name);
    if (this.#open.size >= openMax) this.#makeRoom();
    const thing = open(name);
    this.#open.set(name, { thing, usedAt });
    return thing;
  }

  /** Closes what has been idle for long enough. */
  sweep(): void {
    const { clock, idleMs } = this.#options;
    const before = clock.now() - idleMs;
    for (const [name, { thing, usedAt }] of this.#open) if (!thing.busy && usedAt <= before) this.#close(name, thing);
  }

  /** Closes and removes what is kept under a name; settles when it is gone. */
  remove(name: string): Promise<void> {
    const known = this.#removing.get(name);
    if (known !== undefined) return known;
    const opened = this.#open.get(name);
    this.#open.delete(name);
    const removing = (async () => {
      await opened?.thing.close();
      await this.#options.erase(name);
    })().finally(() => this.#removing.delete(name));
    this.#removing.set(name, removing);
    return removing;
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    await Promise.all([...[...this.#open.values()].map(({ thing }) => thing.close()), ...this.#removing.values()]);
    this.#open.clear();
  }

  #makeRoom(): void {
    const idle = [...this.#open].filter(([, { thing }]) => !thing.busy);
    const [oldest] = idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (oldest === undefined) throw this.#options.full();
    this.#close(oldest[0], oldest[1].thing);
  }

  #close(name: string, thing: T): void {
    this.#open.delete(name);
    thing.close().catch((error: unknown) => this.#options.report(name, error));
  }
}
