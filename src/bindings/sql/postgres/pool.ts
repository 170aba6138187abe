/** Connections by the URL and the project that they are for: a few at a time, kept a while, given to nobody else. */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import type { PgConnection } from "./connection.ts";

/** How many connections there are, and how long one stays without work. */
export interface PgPoolLimits {
  /** Of one database and project. */
  readonly connectionsMax: number;
  /** Of the server. */
  readonly serverConnectionsMax: number;
  /** Calls that wait for a connection to one database. */
  readonly waitingMax: number;
  readonly idleMs: number;
}

/** The limits as they stand when nobody sets others. */
export const PG_POOL_LIMITS: PgPoolLimits = {
  connectionsMax: 8,
  serverConnectionsMax: 64,
  waitingMax: 1000,
  idleMs: 30_000,
};

interface Waiter {
  take(): void;
  refuse(error: IsopodError): void;
}

interface Group {
  readonly idle: PgConnection[];
  readonly waiting: Set<Waiter>;
  open: number;
  usedAt: number;
}

/** The pool. */
export class PgPool {
  readonly #clock: Clock;
  readonly #limits: PgPoolLimits;
  readonly #groups = new Map<string, Group>();
  readonly #cancelSweep: () => void;
  #open = 0;
  #closed = false;

  constructor(clock: Clock, limits: PgPoolLimits = PG_POOL_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
    this.#cancelSweep = clock.every(limits.idleMs / 2, () => this.#sweep());
  }

  /** A connection of the group, an idle one or one that `open` makes. @throws {IsopodError} `overloaded`, or of `open` */
  async take(key: string, open: () => Promise<PgConnection>, signal: AbortSignal): Promise<PgConnection> {
    const group = this.#group(key);
    for (;;) {
      if (this.#closed) throw new IsopodError("draining");
      if (signal.aborted) throw new IsopodError("client_gone");
      const idle = group.idle.pop();
      if (idle !== undefined) {
        if (!idle.broken) return idle;
        this.#left(group);
        continue;
      }
      if (group.open < this.#limits.connectionsMax && this.#hasRoom()) {
        group.open += 1;
        this.#open += 1;
        try {
          return await open();
        } catch (error) {
          this.#left(group);
          throw error;
        }
      }
      await this.#wait(group, signal);
    }
  }

  /** Gives a connection back; one that is broken is forgotten. */
  give(key: string, connection: PgConnection): void {
    const group = this.#group(key);
    group.usedAt = this.#clock.now();
    if (connection.broken || this.#closed) {
      connection.destroy();
      this.#left(group);
    } else group.idle.push(connection);
    this.#next(group);
  }

  /** Closes what is open and refuses who waits. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelSweep();
    for (const group of this.#groups.values()) {
      for (const waiter of [...group.waiting]) waiter.refuse(new IsopodError("draining"));
      await Promise.all(group.idle.splice(0).map((connection) => connection.close()));
    }
  }

  #group(key: string): Group {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group: Group = { idle: [], waiting: new Set(), open: 0, usedAt: this.#clock.now() };
    this.#groups.set(key, group);
    return group;
  }

  /** Whether the server may have one more; the idle ones of others make room. */
  #hasRoom(): boolean {
    if (this.#open < this.#limits.serverConnectionsMax) return true;
    for (const group of this.#groups.values()) {
      const idle = group.idle.shift();
      if (idle === undefined) continue;
      idle.close();
      this.#left(group);
      return true;
    }
    return false;
  }

  #wait(group: Group, signal: AbortSignal): Promise<void> {
    if (group.waiting.size >= this.#limits.waitingMax) {
      throw new IsopodError("overloaded", { cause: "too many calls wait for the database", retryAfterSeconds: 1 });
    }
    return new Promise((resolve, reject) => {
      const settle = () => {
        group.waiting.delete(waiter);
        signal.removeEventListener("abort", gone);
      };
      const waiter: Waiter = {
        take: () => {
          settle();
          resolve();
        },
        refuse: (error) => {
          settle();
          reject(error);
        },
      };
      const gone = () => waiter.refuse(new IsopodError("client_gone"));
      group.waiting.add(waiter);
      signal.addEventListener("abort", gone);
    });
  }

  #next(group: Group): void {
    const [waiter] = group.waiting;
    if (waiter !== undefined) return waiter.take();
    for (const other of this.#groups.values()) {
      const [first] = other.waiting;
      if (first !== undefined) return first.take();
    }
  }

  #left(group: Group): void {
    group.open -= 1;
    this.#open -= 1;
  }

  #sweep(): void {
    const before = this.#clock.now() - this.#limits.idleMs;
    for (const [key, group] of this.#groups) {
      if (group.usedAt > before) continue;
      for (const connection of group.idle.splice(0)) {
        connection.close();
        this.#left(group);
      }
      if (group.open === 0 && group.waiting.size === 0) this.#groups.delete(key);
    }
  }
}
