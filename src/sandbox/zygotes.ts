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

/**
 * A zygote that has forked so many is replaced: until then Bun has no reason to start threads in it, and what a program
 * has learnt of the addresses that it has in common with its siblings is soon worth nothing.
 */
const FORKS_MAX = 100;

/** The next one boots while the present one makes its last forks. */
const FORKS_AHEAD = 10;

/** After a zygote could not be opened, it is not tried again for this long, in milliseconds. */
const RETRY_MS = 60_000;

/** A fork that finds its zygote gone or unfit is tried with the next one, so many times. */
const TRIES_MAX = 3;

type Report = (line: LogLine, fields: Readonly<Record<string, unknown>>) => void;

/** The zygotes of one engine. */
export class Zygotes {
  readonly #open: () => Promise<Zygote>;
  readonly #report: Report;
  readonly #all = new Set<Zygote>();
  #current: Promise<Zygote | undefined> | undefined;
  #next: Promise<Zygote | undefined> | undefined;
  #retryAt = 0;
  #closed = false;

  constructor(open: () => Promise<Zygote>, report: Report = () => {}) {
    this.#open = open;
    this.#report = report;
  }

  /** Forks an instance; undefined when there is no zygote. @throws {IsopodError} `start_failed` */
  async fork(): Promise<GuestProcess | undefined> {
    for (let tries = 1; ; tries += 1) {
      const zygote = await this.#present();
      if (zygote === undefined) return undefined;
      try {
        return await zygote.fork();
      } catch (error) {
        if (zygote.usable || this.#closed || tries === TRIES_MAX) throw error;
      }
    }
  }

  /** Ends all zygotes, and what they have forked. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#current, this.#next]);
    for (const zygote of this.#all) zygote.close();
    await Promise.all([...this.#all].map((zygote) => zygote.ended));
  }

  async #present(): Promise<Zygote | undefined> {
    const asked = this.#current;
    const zygote = await asked;
    if (zygote?.usable && zygote.forks < FORKS_MAX) {
      if (zygote.forks >= FORKS_MAX - FORKS_AHEAD) this.#next ??= this.#boot();
      return zygote;
    }
    // Of those who waited for the same one, the first takes the next.
    if (this.#current === asked) {
      if (this.#closed || performance.now() < this.#retryAt) return undefined;
      this.#current = this.#next ?? this.#boot();
      this.#next = undefined;
      zygote?.retire();
    }
    return this.#present();
  }

  async #boot(): Promise<Zygote | undefined> {
    try {
      const zygote = await this.#open();
      this.#all.add(zygote);
      zygote.ended.then(() => this.#all.delete(zygote));
      return zygote;
    } catch (error) {
      this.#retryAt = performance.now() + RETRY_MS;
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      this.#report(
        { level: "warn", text: "Instances start slower: they cannot be forked" },
        { cause: String(cause), retryMs: RETRY_MS },
      );
      return undefined;
    }
  }
}
