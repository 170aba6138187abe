/**
 * PostgreSQL behind the SQL binding: a program never has the address, and never a connection. Each call is a transaction of
 * ours on a connection of its project's, whose session is thrown away behind it; our clock ends it, by cancelling, not the
 * server's, which a statement could set.
 */
import { parseBoundedJson } from "../../../core/bounded_json.ts";
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import { checkCount, checkRequest, type SqlRequest } from "../database/request.ts";
import { SQL_LIMITS, type SqlLimits } from "../limits.ts";
import { type IsPublic, readAddress } from "./address.ts";
import { CallClock } from "./call_clock.ts";
import { PgConnection } from "./connection.ts";
import { isEnd, isWorthRetrying, nameConnectFailure, nameFailure } from "./failures.ts";
import { PgPool } from "./pool.ts";
import type { PgPoolLimits } from "./pool_limits.ts";
import type { PgMode } from "./rules.ts";
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
export interface PgCall extends PgDatabase {
  readonly mode: PgMode;
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
}

/** A request is read on the event loop that all share, and not in a process of the database's. */
const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** Attempts of a transaction that others got in the way of. */
const ATTEMPTS_MAX = 5;
/** How long a server may take to end a session, or a process that did not hear. */
const RELEASE_MS_MAX = 5000;

/** The databases. */
export class Postgres {
  readonly #options: PostgresOptions;
  readonly #limits: SqlLimits;
  readonly #pool: PgPool;
  readonly #releasing = new Set<Promise<void>>();

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#limits = { ...SQL_LIMITS, requestBytesMax: REQUEST_BYTES_MAX, ...options.limits };
    this.#pool = new PgPool(options.clock, options.poolLimits);
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
      throw clock.reason ?? nameFailure(error);
    } finally {
      clock.stop();
    }
  }

  /** Ends every connection. Settles when the servers have been told. */
  async close(): Promise<void> {
    this.#pool.close();
    await Promise.all(this.#releasing);
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
    const { mode } = call;
    if ("statements" in request) {
      const { statements, isFirst } = request;
      return await this.#transact({ statements, mode, isFirst }, call, clock);
    }
    const statements = request.texts.flatMap((text) => splitStatements(text, this.#limits));
    checkCount(statements.length, this.#limits);
    const asked = statements.map((sql) => ({ sql, values: [] }));
    const groups = request.kind === "script" ? [asked] : asked.map((each) => [each]);
    for (const group of groups) await this.#transact({ statements: group, mode, isFirst: false }, call, clock);
    return { count: asked.length };
  }

  /** Makes a transaction; on another connection where one that lay idle was dead before it began. */
  async #transact(transaction: Transaction, call: PgCall, clock: CallClock): Promise<PgResult[]> {
    checkTransaction(transaction, this.#limits);
    for (;;) {
      const connection = await this.#take(call, clock);
      try {
        clock.attach(connection);
        return await this.#attempt(connection, transaction, clock);
      } catch (error) {
        if (!(error instanceof NotBegun)) throw error;
        if (!connection.used || !isEnd(error.cause) || clock.reason !== undefined) throw error.cause;
      } finally {
        clock.attach(undefined);
        this.#release(call, connection, clock.reason !== undefined);
      }
    }
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

  /** Gives a connection back when its session is over; nobody waits for that. */
  #release(database: PgDatabase, connection: PgConnection, isCancelled: boolean): void {
    const release = (isCancelled ? this.#endCancelled(database, connection) : this.#reset(connection)).finally(() => {
      this.#pool.give(keyOf(database), connection);
      this.#releasing.delete(release);
    });
    this.#releasing.add(release);
  }

  async #reset(connection: PgConnection): Promise<void> {
    const cancelTimer = this.#options.clock.after(RELEASE_MS_MAX, () => connection.destroy());
    if (!connection.broken) await connection.reset().catch(() => connection.destroy());
    cancelTimer();
  }

  /**
   * What was cancelled is not used again: a cancel that comes late would hit whoever is next. A routine may have caught the
   * cancel and go on without a connection; then its process is ended from another one, as far as the role may.
   */
  async #endCancelled(database: PgDatabase, connection: PgConnection): Promise<void> {
    const wasHeard = !connection.broken;
    connection.destroy();
    if (wasHeard || connection.processID === 0) return;
    const ender = new AbortController();
    const cancelTimer = this.#options.clock.after(RELEASE_MS_MAX, () => ender.abort(new IsopodError("sql_timeout")));
    const other = await this.#open(database, ender.signal).catch(() => undefined);
    ender.signal.addEventListener("abort", () => other?.destroy());
    const backend = `pid = ${connection.processID} AND datname = current_database()`;
    await other?.control(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${backend}`).catch(() => {});
    cancelTimer();
    other?.close();
  }
}

function keyOf({ project, url, isTrusted }: PgDatabase): { project: string; database: string } {
  return { project, database: `${isTrusted}\n${url}` };
}
