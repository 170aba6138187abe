/** Connections for calls: taken from the pool or opened, and given back when their session is over. */
import type { Clock } from "../../../core/clock.ts";
import type { SqlLimits } from "../limits.ts";
import { type IsPublic, readAddress } from "./address.ts";
import type { CallClock } from "./call_clock.ts";
import { PgConnection } from "./connection.ts";
import { nameConnectFailure } from "./failures.ts";
import { PgPool, type PoolKey } from "./pool.ts";
import type { PgPoolLimits } from "./pool_limits.ts";
import { Releases } from "./releases.ts";

/** A database, as a project may use it. */
export interface PgDatabase {
  readonly project: string;
  /** The database's URL, with its password. */
  readonly url: string;
  /** Whether the operator has given the URL, and not a tenant. */
  readonly isTrusted: boolean;
}

/** How they are set up. */
export interface PgConnectionsOptions {
  readonly clock: Clock;
  readonly isPublic: IsPublic;
  readonly poolLimits?: Partial<PgPoolLimits> | undefined;
}

/** The connections of a server. */
export class PgConnections {
  readonly #isPublic: IsPublic;
  readonly #limits: SqlLimits;
  readonly #pool: PgPool;
  readonly #releases: Releases;

  constructor({ clock, isPublic, poolLimits }: PgConnectionsOptions, limits: SqlLimits) {
    this.#isPublic = isPublic;
    this.#limits = limits;
    this.#pool = new PgPool(clock, poolLimits);
    this.#releases = new Releases(clock, (key, connection) => this.#pool.give(key, connection));
  }

  /** A connection for a call, which holds `bytes` while it waits. @throws {IsopodError} */
  take(database: PgDatabase, bytes: number, { signal }: CallClock): Promise<PgConnection> {
    return this.#pool.take({ ...keyOf(database), bytes, signal, open: () => this.#open(database, signal) });
  }

  /** Takes it back from a call that is over. */
  release(database: PgDatabase, connection: PgConnection, { reason }: CallClock): void {
    const another = (signal: AbortSignal) => this.#open(database, signal);
    this.#releases.begin({ key: keyOf(database), connection, isCancelled: reason !== undefined, another });
  }

  /** Ends every connection. Settles when the servers have been told. */
  async close(): Promise<void> {
    this.#pool.close();
    await this.#releases.done();
  }

  async #open({ url, isTrusted }: PgDatabase, signal: AbortSignal): Promise<PgConnection> {
    const address = await readAddress(url, isTrusted ? undefined : this.#isPublic);
    signal.throwIfAborted();
    return await PgConnection.open(address, this.#limits, signal).catch((error) => {
      throw nameConnectFailure(error);
    });
  }
}

/** What tells databases apart. */
export function keyOf({ project, url, isTrusted }: PgDatabase): PoolKey {
  return { project, database: `${isTrusted}\n${url}` };
}
