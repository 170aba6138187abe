/** Connections by the database and the project that they are for: a few at a time, kept a while, given to nobody else. */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import type { PgConnection } from "./connection.ts";
import { PG_POOL_LIMITS, type PgPoolLimits } from "./pool_limits.ts";

/** Which connections will do. */
export interface PoolKey {
  readonly project: string;
  /** The database as whom it is connected to. */
  readonly database: string;
}

/** Who takes a connection. */
export interface Taker extends PoolKey {
  /** What is held in memory while it waits. */
  readonly bytes: number;
  /** Fires when it gives up, with the error that it then gets. */
  readonly signal: AbortSignal;
  open(): Promise<PgConnection>;
}

interface Group extends PoolKey {
  readonly idle: PgConnection[];
  /** Those who wait, first come first; each is told to look again. */
  readonly waiting: Set<() => void>;
  waitingBytes: number;
  open: number;
  usedAt: number;
}

/** The pool. */
export class PgPool {
  readonly #clock: Clock;
  readonly #limits: PgPoolLimits;
  readonly #groups = new Map<string, Group>();
  readonly #cancelSweep: () => void;
  readonly #lent = new Set<PgConnection>();
  #closed = false;

  constructor(clock: Clock, limits: Partial<PgPoolLimits> = {}) {
    this.#clock = clock;
    this.#limits = { ...PG_POOL_LIMITS, ...limits };
    this.#cancelSweep = clock.every(this.#limits.idleMs / 2, () => this.#sweep());
  }

  /** A connection, an idle one or one that `open` makes. @throws {IsopodError} `overloaded`, the signal's reason, or of `open` */
  async take(taker: Taker): Promise<PgConnection> {
    for (;;) {
      if (this.#closed) throw new IsopodError("draining");
      if (taker.signal.aborted) {
        // It may have been told to look, in somebody else's place.
        this.#wakeAll();
        throw taker.signal.reason;
      }
      const group = this.#group(taker);
      for (let idle = group.idle.pop(); idle !== undefined; idle = group.idle.pop()) {
        if (!idle.broken) return this.#lend(idle);
        group.open -= 1;
      }
      if (this.#hasRoom(group)) return await this.#open(group, taker);
      await this.#wait(group, taker);
    }
  }

  /** Gives a connection back; one that is broken is forgotten. */
  give(key: PoolKey, connection: PgConnection): void {
    const group = this.#group(key);
    this.#lent.delete(connection);
    group.usedAt = this.#clock.now();
    if (connection.broken || this.#closed) {
      connection.destroy();
      group.open -= 1;
    } else group.idle.push(connection);
    this.#wakeAll();
  }

  /** Closes what is open, at work or not, and refuses who waits. */
  close(): void {
    this.#closed = true;
    this.#cancelSweep();
    for (const connection of this.#lent) {
      connection.cancel();
      connection.destroy();
    }
    for (const group of this.#groups.values()) {
      for (const connection of group.idle) connection.close();
      for (const look of [...group.waiting]) look();
    }
  }

  async #open(group: Group, { open }: Taker): Promise<PgConnection> {
    group.open += 1;
    try {
      const connection = await open();
      if (!this.#closed) return this.#lend(connection);
      connection.destroy();
      throw new IsopodError("draining");
    } catch (error) {
      group.open -= 1;
      this.#wakeAll();
      throw error;
    }
  }

  #lend(connection: PgConnection): PgConnection {
    this.#lent.add(connection);
    return connection;
  }

  #group({ project, database }: PoolKey): Group {
    const name = `${project}\n${database}`;
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { project, database, idle: [], waiting: new Set(), waitingBytes: 0, open: 0, usedAt: this.#clock.now() };
      this.#groups.set(name, group);
    }
    return group;
  }

  /** Whether the group may have one more; the idle ones of others make room. */
  #hasRoom(group: Group): boolean {
    const { connectionsMax, projectConnectionsMax, databaseConnectionsMax, serverConnectionsMax } = this.#limits;
    if (group.open >= connectionsMax) return false;
    const all = [...this.#groups.values()];
    const own = all.filter(({ project }) => project === group.project);
    if (count(own) >= projectConnectionsMax && !this.#closeIdle(own)) return false;
    const same = all.filter(({ database }) => database === group.database);
    if (count(same) >= databaseConnectionsMax && !this.#closeIdle(same)) return false;
    return count(all) < serverConnectionsMax || this.#closeIdle(all);
  }

  #closeIdle(groups: readonly Group[]): boolean {
    const group = groups.find(({ idle }) => idle.length > 0);
    const idle = group?.idle.shift();
    if (group === undefined || idle === undefined) return false;
    idle.close();
    group.open -= 1;
    return true;
  }

  #wait(group: Group, { signal, bytes }: Taker): Promise<void> {
    const { waitingMax, waitingBytesMax } = this.#limits;
    if (group.waiting.size >= waitingMax || group.waitingBytes + bytes > waitingBytesMax) {
      throw new IsopodError("overloaded", { cause: "too many calls wait for the database", retryAfterSeconds: 1 });
    }
    group.waitingBytes += bytes;
    return new Promise((resolve) => {
      const look = () => {
        if (!group.waiting.delete(look)) return;
        group.waitingBytes -= bytes;
        signal.removeEventListener("abort", look);
        resolve();
      };
      group.waiting.add(look);
      signal.addEventListener("abort", look);
    });
  }

  /** There is a connection, or room for one, and not only for this group: the first of each looks again. */
  #wakeAll(): void {
    for (const { waiting } of this.#groups.values()) {
      const [look] = waiting;
      look?.();
    }
  }

  #sweep(): void {
    const before = this.#clock.now() - this.#limits.idleMs;
    for (const [name, group] of this.#groups) {
      if (group.usedAt > before) continue;
      for (const connection of group.idle.splice(0)) {
        connection.close();
        group.open -= 1;
      }
      if (group.open === 0 && group.waiting.size === 0) this.#groups.delete(name);
    }
  }
}

function count(groups: readonly Group[]): number {
  return groups.reduce((sum, { open }) => sum + open, 0);
}
