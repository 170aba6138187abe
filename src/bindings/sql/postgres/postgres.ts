/**
 * PostgreSQL behind the SQL binding: a program never has the address, and never a connection. Each call is a transaction of
 * ours on a connection of its project's, whose session is thrown away behind it; our clock ends it, by cancelling, not the
 * server's, which a statement could set.
 */
import { parseBoundedJson } from "../../../core/bounded_json.ts";
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import { checkCount, checkRequest, type SqlRequest } from "../database/request.ts";
import type { SqlGrant } from "../grant.ts";
import { SQL_LIMITS, type SqlLimits } from "../limits.ts";
import { type IsPublic, readAddress } from "./address.ts";
import { CallClock } from "./call_clock.ts";
import { PgConnection } from "./connection.ts";
import { isEnd, isStandby, isWorthRetrying, NotCommitted, nameConnectFailure, nameFailure } from "./failures.ts";
import { PgPool, type PoolKey } from "./pool.ts";
import type { PgPoolLimits } from "./pool_limits.ts";
import { Releases } from "./releases.ts";
import { type ReportRights, RoleRights } from "./rights.ts";
import { checkTransaction, NotBegun, type PgResult, runTransaction, type Transaction } from "./run.ts";
import { splitStatements } from "./scanner.ts";

/** A database, as a project may use it. */
export interface PgDatabase {
  readonly project: string;
  /** The database's URL, with its password. */
  readonly url: string;
  /** Whether the operator has given the URL, and not a tenant. */
  readonly isTrusted: boolean;
}

/** A call. */
export interface PgCall extends PgDatabase, SqlGrant {
  /** As `database/request.ts` reads it. */
  readonly request: Uint8Array;
  /** How long it may take, in milliseconds. */
  readonly workMs: number;
  readonly signal: AbortSignal;
}

/** How it is set up. */
export interface PostgresOptions {
  readonly clock: Clock;
  readonly isPublic: IsPublic;
  readonly limits?: Partial<SqlLimits> | undefined;
  readonly poolLimits?: Partial<PgPoolLimits> | undefined;
  /** Hears of roles that may do more than their grant says. */
  report?: ReportRights;
}

/** A request is read on the event loop that all share, and not in a process of the database's. */
const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** Attempts of a transaction that others got in the way of. */
const ATTEMPTS_MAX = 5;

/** The databases. */
export class Postgres {
  readonly #options: PostgresOptions;
  readonly #limits: SqlLimits;
  readonly #pool: PgPool;
  readonly #rights: RoleRights;
  readonly #releases: Releases;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#limits = { ...SQL_LIMITS, requestBytesMax: REQUEST_BYTES_MAX, ...options.limits };
    this.#pool = new PgPool(options.clock, options.poolLimits);
    this.#releases = new Releases(options.clock, (key, connection) => this.#pool.give(key, connection));
    this.#rights = new RoleRights(options.clock, options.report ?? (() => {}));
  }

  /** The limits in force. */
  get limits(): SqlLimits {
    return this.#limits;
  }

  /** Resolves with the JSON of the results. @throws {IsopodError} */
  async call(call: PgCall): Promise<Uint8Array> {
    const clock = new CallClock(this.#options.clock, call.workMs, call.signal);
    try {
      const answer = await this.#run(this.#read(call.request), call, clock);
      return new TextEncoder().encode(JSON.stringify(answer));
    } catch (error) {
      throw clock.reason ?? nameFailure(error, call.mode);
    } finally {
      clock.stop();
    }
  }

  /** Ends every connection. Settles when the servers have been told. */
  async close(): Promise<void> {
    this.#pool.close();
    await this.#releases.done();
  }

  #read(request: Uint8Array): SqlRequest {
    const { requestBytesMax: value } = this.#limits;
    if (request.length > value) {
      const message = `Cannot send more than ${value} bytes to a database of PostgreSQL at once`;
      throw new IsopodError("value_too_large", { message, limit: { name: "requestBytesMax", value } });
    }
    return checkRequest(parseBoundedJson(new TextDecoder().decode(request), "the call of the database"), this.#limits);
  }

  async #run(request: SqlRequest, call: PgCall, clock: CallClock): Promise<unknown> {
    const grant: SqlGrant = call;
    if ("statements" in request) {
      const { statements, isFirst } = request;
      return await this.#transact({ statements, grant, isFirst }, call, clock);
    }
    const statements = request.texts.flatMap((text) => splitStatements(text, this.#limits));
    checkCount(statements.length, this.#limits);
    const asked = statements.map((sql) => ({ sql, values: [] }));
    const groups = request.kind === "script" ? [asked] : asked.map((each) => [each]);
    for (const group of groups) await this.#transact({ statements: group, grant, isFirst: false }, call, clock);
    return { count: asked.length };
  }

  /** Makes a transaction; on another connection where one that lay idle was dead before it began. */
  async #transact(transaction: Transaction, call: PgCall, clock: CallClock): Promise<PgResult[]> {
    checkTransaction(transaction, this.#limits);
    for (;;) {
      const connection = await this.#take(call, clock);
      try {
        clock.attach(connection);
        await this.#checkRights(connection, call);
        return await this.#attempt(connection, transaction, clock);
      } catch (error) {
        // Whoever connects anew may be led to the one that takes changes.
        if (call.mode === "read-write" && isStandby(error)) connection.destroy();
        if (!(error instanceof NotBegun)) throw error;
        const { cause } = error;
        if (!connection.used || !isEnd(cause) || clock.reason !== undefined) {
          throw isEnd(cause) ? new NotCommitted(cause) : cause;
        }
      } finally {
        clock.attach(undefined);
        const isCancelled = clock.reason !== undefined;
        const another = (signal: AbortSignal) => this.#open(call, signal);
        this.#releases.begin({ key: keyOf(call), connection, isCancelled, another });
      }
    }
  }

  async #checkRights(connection: PgConnection, call: PgCall): Promise<void> {
    const { project, tables } = call;
    if (tables === undefined) return;
    await this.#rights.check(connection, { project, tables, key: JSON.stringify([keyOf(call).database, tables]) });
  }

  /** Makes a transaction, again where others got in its way: nothing of it has been done then. */
  async #attempt(connection: PgConnection, transaction: Transaction, clock: CallClock): Promise<PgResult[]> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await runTransaction(connection, transaction, this.#limits);
      } catch (error) {
        if (attempt >= ATTEMPTS_MAX || clock.reason !== undefined || !isWorthRetrying(error)) throw error;
        const pauseMs = 2 ** attempt * (1 + Math.random());
        await new Promise<void>((resolve) => this.#options.clock.after(pauseMs, resolve));
      }
    }
  }

  #take(call: PgCall, { signal }: CallClock): Promise<PgConnection> {
    const bytes = call.request.length;
    return this.#pool.take({ ...keyOf(call), bytes, signal, open: () => this.#open(call, signal) });
  }

  async #open({ url, isTrusted }: PgDatabase, signal: AbortSignal): Promise<PgConnection> {
    const address = await readAddress(url, isTrusted ? undefined : this.#options.isPublic);
    signal.throwIfAborted();
    return await PgConnection.open(address, this.#limits, signal).catch((error) => {
      throw nameConnectFailure(error);
    });
  }
}

function keyOf({ project, url, isTrusted }: PgDatabase): PoolKey {
  return { project, database: `${isTrusted}\n${url}` };
}
