/**
 * Notices that the store has changed, for those who watch it: changes of this process at once, those of others by a
 * bell, a file that every process touches after it has committed.
 *
 * The file of SQLite's log would not do: it is written before the change can be seen. The bell may be missed (a process
 * killed between the two, a file system without notifications), so SQLite is asked as well, at a slow pace; that costs
 * 2 µs. Nothing runs while nobody watches.
 */
import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { STORE_LIMITS, tooManyWatches } from "../../core/store_rules.ts";

const POLL_MS = 100;
/** Bun gives one of the notifications that come within a millisecond, so one that is followed by others is asked after. */
const AGAIN_MS = 2;
/** Where the system has no notifications to give. */
const POLL_MS_WITHOUT_BELL = 10;

/** One who waits for changes; `using` ends it. */
export interface Listener extends Disposable {
  /** Says that what has changed so far is going to be looked at. */
  look(): void;
  /** Resolves when something has changed since the last look, or when the listener is woken. */
  changed(): Promise<void>;
  wake(): void;
}

/** The changes of one store, as one process sees them. */
export class Changes {
  #path: string;
  #bell: number;
  #version: StatementSync;
  #seen: unknown;
  #listeners = new Set<Listener>();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(directory: string, database: DatabaseSync) {
    this.#path = join(directory, "store.bell");
    const { O_CREAT, O_WRONLY, O_NOFOLLOW } = constants;
    this.#bell = openSync(this.#path, O_CREAT | O_WRONLY | O_NOFOLLOW, 0o600);
    this.#version = database.prepare("PRAGMA data_version");
  }

  /** Tells everybody of a commit of this process. */
  tell(): void {
    for (const listener of this.#listeners) listener.wake();
    try {
      writeSync(this.#bell, "!", 0);
    } catch {
      // A full disk: others notice a little later.
    }
  }

  /** @throws {IsopodError} `overloaded` */
  listen(): Listener {
    if (this.#listeners.size >= STORE_LIMITS.watchesMax) throw tooManyWatches();
    let news = true;
    let resolve: (() => void) | undefined;
    const listener: Listener = {
      look: () => {
        news = false;
      },
      changed: () => (news ? Promise.resolve() : new Promise((settle) => (resolve = settle))),
      wake: () => {
        news = true;
        resolve?.();
      },
      [Symbol.dispose]: () => {
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) this.#stop();
      },
    };
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start();
    return listener;
  }

  /** Wakes everybody, who find the store closed. */
  close(): void {
    for (const listener of this.#listeners) listener.wake();
    this.#stop();
    closeSync(this.#bell);
  }

  #start(): void {
    this.#seen = undefined;
    try {
      this.#watcher = watch(this.#path, () => {
        this.#check();
        this.#checkAgain();
      });
      this.#watcher.on("error", () => this.#poll(POLL_MS_WITHOUT_BELL));
      this.#poll(POLL_MS);
    } catch {
      this.#poll(POLL_MS_WITHOUT_BELL);
    }
  }

  #poll(periodMs: number): void {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#check(), periodMs);
  }

  #stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearInterval(this.#timer);
    clearTimeout(this.#again);
    this.#again = undefined;
  }

  #check(): void {
    try {
      const version = Object.values(this.#version.get() ?? {})[0];
      if (version === this.#seen) return;
      this.#seen = version;
    } catch {
      // Busy: asked again at the next turn of the timer.
      return;
    }
    for (const listener of this.#listeners) listener.wake();
    this.#checkAgain();
  }

  #checkAgain(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.#check();
    }, AGAIN_MS);
  }
}
