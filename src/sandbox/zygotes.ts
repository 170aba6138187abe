/**
 * The zygote that instances are forked from now: opened when it is first needed, replaced when it is gone or has made
 * so many that the next ones should not share its layout in memory, ended when nothing of it is left.
 *
 * Where no zygote can be opened, `fork` gives undefined: the caller starts a process for each instance, which is safe
 * and dearer.
 */
import type { GuestProcess } from "../core/engine.ts";
import type { LogLine } from "../core/invocation.ts";
import type { Zygote } from "./zygote.ts";

/** Forked instances have their zygote's addresses; what one of them has learnt of those is worth nothing after so many. */
const FORKS_MAX = 1000;

/** After a zygote could not be opened, it is not tried again for this long, in milliseconds. */
const RETRY_MS = 60_000;

type Report = (line: LogLine, fields: Readonly<Record<string, unknown>>) => void;

/** The zygotes of one engine. */
export class Zygotes {
  readonly #open: () => Promise<Zygote>;
  readonly #report: Report;
  readonly #all = new Set<Zygote>();
  #current: Promise<Zygote | undefined> | undefined;
  #retryAt = 0;
  #closed = false;

  constructor(open: () => Promise<Zygote>, report: Report = () => {}) {
    this.#open = open;
    this.#report = report;
  }

  /** Forks an instance; undefined when there is no zygote. @throws {IsopodError} `start_failed` */
  async fork(): Promise<GuestProcess | undefined> {
    const zygote = await this.#present();
    return zygote?.fork();
  }

  /** Ends all zygotes, and what they have forked. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#current;
    for (const zygote of this.#all) zygote.close();
    await Promise.all([...this.#all].map((zygote) => zygote.ended));
  }

  async #present(): Promise<Zygote | undefined> {
    const asked = this.#current;
    const zygote = await asked;
    if (zygote?.alive && zygote.forks < FORKS_MAX) return zygote;
    if (this.#closed || performance.now() < this.#retryAt) return undefined;
    // Of those who waited for the same one, the first opens the next.
    if (this.#current === asked) this.#current = this.#replace(zygote);
    return this.#present();
  }

  async #replace(former: Zygote | undefined): Promise<Zygote | undefined> {
    try {
      const zygote = await this.#open();
      this.#all.add(zygote);
      zygote.ended.then(() => this.#all.delete(zygote));
      former?.retire();
      return zygote;
    } catch (cause) {
      this.#retryAt = performance.now() + RETRY_MS;
      const text = "Instances start slower: they cannot be forked";
      this.#report({ level: "warn", text }, { cause: String(cause instanceof Error ? (cause.cause ?? cause) : cause) });
      return undefined;
    }
  }
}
