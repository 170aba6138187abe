/**
 * PostgreSQL behind the SQL binding: a program never has the address, and never a connection. Each call is a transaction of
 * ours on a connection of its project's, whose session is thrown away behind it; our clock ends it, by cancelling, not the
 * server's, which a statement could set.
 */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import { readRequest, type SqlRequest } from "../database/request.ts";
import { SQL_LIMITS, type SqlLimits } from "../limits.ts";
import { timedOut } from "../refused.ts";
import { type IsPublic, readAddress } from "./address.ts";
import { PgConnection } from "./connection.ts";
import { isWorthRetrying, nameFailure } from "./failures.ts";
import { PgPool, type PgPoolLimits } from "./pool.ts";
import { NotBegun, type PgResult, runStatements } from "./run.ts";
import { splitStatements } from "./scanner.ts";

/** A call. */
export interface PgCall {
  readonly project: string;
  /** The database's URL, with its password. */
  readonly url: string;
  /** Whether the operator has given the URL, and not a tenant. */
  readonly isTrusted: boolean;
  readonly mode: "read" | "read-write";
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
  readonly poolLimits?: PgPoolLimits | undefined;
}

/** Attempts of a transaction that others got in the way of. */
const ATTEMPTS_MAX = 5;
/** Connections that may turn out to be dead, one behind the other. */
const CONNECTIONS_TRIED_MAX = 16;
/** How long a server may take to end what was cancelled. */
const CANCEL_GRACE_MS = 500;

/** The databases. */
export class Postgres {
  readonly #options: PostgresOptions;
  readonly #limits: SqlLimits;
  readonly #pool: PgPool;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#limits = { ...SQL_LIMITS, ...options.limits };
    this.#pool = new PgPool(options.clock, options.poolLimits);
  }

  /** Resolves with the JSON of the results. @throws {IsopodError} */
  async call(call: PgCall): Promise<Uint8Array> {
    try {
      const request = readRequest(new TextDecoder().decode(call.request), this.#limits);
      return new TextEncoder().encode(JSON.stringify(await this.#run(request, call)));
    } catch (error) {
      throw nameFailure(error);
    }
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  async #run(request: SqlRequest, call: PgCall): Promise<unknown> {
    if ("statements" in request) {
      const { statements, isFirst } = request;
      return await this.#transaction(call, (connection) =>
        runStatements(connection, statements, call.mode, this.#limits, isFirst),
      );
    }
    const statements = request.texts.flatMap(splitStatements).map((sql) => ({ sql, values: [] }));
    const groups = request.kind === "script" ? [statements] : statements.map((each) => [each]);
    for (const group of groups) {
      await this.#transaction(call, (connection) => runStatements(connection, group, call.mode, this.#limits, false));
    }
    return { count: statements.length };
  }

  /** Runs a transaction; on another connection where one was dead before it began. */
  async #transaction(call: PgCall, run: (connection: PgConnection) => Promise<PgResult[]>): Promise<PgResult[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#onConnection(call, run);
      } catch (error) {
        if (!(error instanceof NotBegun)) throw error;
        if (tries >= CONNECTIONS_TRIED_MAX) throw error.cause;
      }
    }
  }

  /** Runs a transaction on a connection of its own, again where others got in its way, until the call's time is over. */
  async #onConnection(call: PgCall, run: (connection: PgConnection) => Promise<PgResult[]>): Promise<PgResult[]> {
    const { project, url, isTrusted, signal, workMs } = call;
    const key = `${project}\n${isTrusted}\n${url}`;
    const connection = await this.#pool.take(key, () => this.#open(call), signal);
    const watch = new Watch(this.#options.clock, connection, signal, workMs);
    try {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await run(connection);
        } catch (error) {
          if (watch.reason !== undefined) throw watch.reason;
          if (attempt >= ATTEMPTS_MAX || !isWorthRetrying(error)) throw error;
          await new Promise((resolve) => setTimeout(resolve, 2 ** attempt * (1 + Math.random())));
        }
      }
    } finally {
      watch.stop();
      // A cancel that comes late would hit whoever is next.
      if (watch.reason !== undefined) connection.destroy();
      else if (!connection.broken) await connection.control("DISCARD ALL").catch(() => connection.destroy());
      this.#pool.give(key, connection);
    }
  }

  async #open({ url, isTrusted }: PgCall): Promise<PgConnection> {
    const address = await readAddress(url, isTrusted ? undefined : this.#options.isPublic);
    return await PgConnection.open(address).catch((error) => {
      const named = nameFailure(error);
      if (named.code !== "database_ended") throw named;
      throw new IsopodError("binding_failed", {
        message: "Cannot use the database: it cannot be reached",
        cause: named.details.cause,
      });
    });
  }
}

/** Ends what runs when its time is over, or when nobody waits for it any more. */
class Watch {
  reason: IsopodError | undefined;
  readonly #connection: PgConnection;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #gone = () => this.#end(new IsopodError("client_gone"));
  #cancel: () => void;

  constructor(clock: Clock, connection: PgConnection, signal: AbortSignal, workMs: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#signal = signal;
    this.#cancel = clock.after(workMs, () => this.#end(timedOut(workMs)));
    signal.addEventListener("abort", this.#gone);
  }

  stop(): void {
    this.#cancel();
    this.#signal.removeEventListener("abort", this.#gone);
  }

  #end(reason: IsopodError): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.#cancel();
    this.#cancel = this.#clock.after(CANCEL_GRACE_MS, () => this.#connection.destroy());
    this.#connection.cancel();
  }
}
