/**
 * PostgreSQL behind the SQL binding: a program never has the address, and never a connection. Each call is a transaction of
 * ours on a connection of its project's, whose session is thrown away behind it; our clock ends it, by cancelling, not the
 * server's, which a statement could set.
 */
import { parseBoundedJson } from "../../../core/bounded_json.ts";
import { IsopodError } from "../../../core/errors.ts";
import { checkCount, checkRequest, type SqlRequest } from "../database/request.ts";
import type { SqlGrant } from "../grant.ts";
import { SQL_LIMITS, type SqlLimits } from "../limits.ts";
import { CallClock } from "./call_clock.ts";
import type { PgConnection } from "./connection.ts";
import { keyOf, PgConnections, type PgConnectionsOptions, type PgDatabase } from "./connections.ts";
import { withoutDumps } from "./dumps.ts";
import { isEnd, isStandby, isWorthRetrying, NotCommitted, nameFailure } from "./failures.ts";
import { type ReportRights, RoleRights } from "./rights.ts";
import { checkTransaction, NotBegun, type PgResult, runTransaction, type Transaction } from "./run.ts";
import { splitStatements } from "./scanner.ts";

/** A call. */
export interface PgCall extends PgDatabase, SqlGrant {
  /** As `database/request.ts` reads it. */
  readonly request: Uint8Array;
  /** How long it may take, in milliseconds. */
  readonly workMs: number;
  readonly signal: AbortSignal;
  /** Whether whoever administers asks: texts may be as long as a request, and dumps have words of their own. */
  readonly isAdministration?: boolean | undefined;
}

/** What reads a database by a connection of its own for a while. */
export interface PgReading extends PgDatabase {
  readonly workMs: number;
  readonly signal: AbortSignal;
}

/** How it is set up. */
export interface PostgresOptions extends PgConnectionsOptions {
  readonly limits?: Partial<SqlLimits> | undefined;
  /** Hears of roles that may do more than their grant says. */
  report?: ReportRights;
}

/** A request is read on the event loop that all share, and not in a process of the database's. */
const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** Statements of a text that whoever administers has sent. */
const SCRIPT_STATEMENTS_MAX = 100_000;
/** Attempts of a transaction that others got in the way of. */
const ATTEMPTS_MAX = 5;

/** The databases. */
export class Postgres {
  readonly #options: PostgresOptions;
  readonly #limits: SqlLimits;
  readonly #ownLimits: SqlLimits;
  readonly #connections: PgConnections;
  readonly #rights: RoleRights;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#limits = { ...SQL_LIMITS, requestBytesMax: REQUEST_BYTES_MAX, ...options.limits };
    const statementBytesMax = this.#limits.requestBytesMax;
    this.#ownLimits = { ...this.#limits, statementBytesMax, batchStatementsMax: SCRIPT_STATEMENTS_MAX };
    this.#connections = new PgConnections(options, this.#limits);
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

  /** What `read` makes of a connection that it has for itself, until its end or its reader's. @throws {IsopodError} */
  async *reading<T>(call: PgReading, read: (connection: PgConnection) => AsyncGenerator<T>): AsyncGenerator<T> {
    const clock = new CallClock(this.#options.clock, call.workMs, call.signal);
    try {
      const connection = await this.#connections.take(call, 0, clock);
      let isOver = false;
      const end = () => {
        if (!isOver) this.#connections.release(call, connection, clock);
        isOver = true;
      };
      // Whoever has stopped reading does not come back to let go of it.
      clock.signal.addEventListener("abort", end);
      try {
        clock.attach(connection);
        yield* read(connection);
      } finally {
        clock.attach(undefined);
        end();
      }
    } catch (error) {
      throw clock.reason ?? nameFailure(error, "read");
    } finally {
      clock.stop();
    }
  }

  /** Ends every connection. Settles when the servers have been told. */
  async close(): Promise<void> {
    await this.#connections.close();
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
    const isOwn = request.kind === "script" && call.isAdministration === true;
    const limits = isOwn ? this.#ownLimits : this.#limits;
    const split = request.texts.flatMap((text) => splitStatements(text, limits));
    const statements = isOwn ? withoutDumps(split) : split;
    checkCount(statements.length, limits);
    const asked = statements.map((sql) => ({ sql, values: [] }));
    const groups = request.kind === "script" ? [asked] : asked.map((each) => [each]);
    for (const group of groups) await this.#transact({ statements: group, grant, isFirst: false }, call, clock, limits);
    return { count: asked.length };
  }

  /** Makes a transaction; on another connection where one that lay idle was dead before it began. */
  async #transact(
    transaction: Transaction,
    call: PgCall,
    clock: CallClock,
    limits: SqlLimits = this.#limits,
  ): Promise<PgResult[]> {
    checkTransaction(transaction, limits);
    for (;;) {
      const connection = await this.#connections.take(call, call.request.length, clock);
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
        this.#connections.release(call, connection, clock);
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
}
