/**
 * What CockroachDB does otherwise than PostgreSQL, in front of a PostgreSQL server: it refuses what CockroachDB refuses (its
 * documentation, "PostgreSQL Compatibility"; its pgwire's rules for portals with a row limit, issue 40195), and has
 * transactions begin again as CockroachDB does. Its own binaries are in no package registry; this stands in for it.
 */
import {
  type PgListener,
  type PgMessage,
  type PgVerdict,
  PostgresProxy,
  pgError,
  pgMessage,
} from "./postgres_proxy.ts";

/** What it refuses, by the text of a statement. */
const REFUSED: readonly (readonly [pattern: RegExp, state: string, said: string])[] = [
  [/\b(LISTEN|NOTIFY|UNLISTEN)\b/i, "0A000", "unimplemented: LISTEN and NOTIFY are not supported"],
  [/pg_(try_)?advisory/i, "42883", "unknown function: pg_advisory_lock()"],
  [/pg_terminate_backend/i, "42883", "unknown function: pg_terminate_backend()"],
  [
    /client_connection_check_interval/i,
    "42704",
    'unrecognized configuration parameter "client_connection_check_interval"',
  ],
  [/^\s*(DO|VACUUM|LOAD|CLUSTER|LOCK|CHECKPOINT)\b/i, "42601", "at or near: syntax error"],
  [/\bDECLARE\b.*\bWITH HOLD\b/i, "0A000", "unimplemented: DECLARE CURSOR WITH HOLD is not supported"],
  [/\b(xml|lo_\w+|pg_read_file|dblink)\s*\(/i, "42883", "unknown function"],
  [/\bPREPARE TRANSACTION\b/i, "0A000", "unimplemented: PREPARE TRANSACTION"],
];

const PORTALS = "unimplemented: multiple active portals not supported";

/** Where the next transaction is to begin again, how many times. */
export interface CockroachFaults {
  /** Statements that fail with 40001. */
  restartsInStatement: number;
  /** Commits that fail with 40001. */
  restartsInCommit: number;
  /** Commits of which nobody knows what became (40003). */
  ambiguous: number;
}

/** A database that stands for one of CockroachDB's. */
export class Cockroach implements AsyncDisposable {
  readonly faults: CockroachFaults = { restartsInStatement: 0, restartsInCommit: 0, ambiguous: 0 };
  /** What was refused. */
  readonly refused: string[] = [];
  /** Transactions that were begun. */
  begun = 0;
  #proxy: PostgresProxy | undefined;

  /** Starts one in front of the server at `port`. */
  static async start(port: number): Promise<Cockroach> {
    const cockroach = new Cockroach();
    cockroach.#proxy = await PostgresProxy.start(port, () => new Session(cockroach));
    return cockroach;
  }

  /** The URL of a database. */
  url(database: string, user: string): string {
    return this.#proxy?.url(database, user) ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy?.[Symbol.asyncDispose]();
  }
}

/** One connection. */
class Session implements PgListener {
  readonly #of: Cockroach;
  /** The portal that has more rows to give. */
  #suspended: string | undefined;
  #executed = "";
  /** What the next complaint of the server is to be. */
  #complaint: Buffer | undefined;
  #drops = "";

  constructor(of: Cockroach) {
    this.#of = of;
  }

  fromClient({ type, text }: PgMessage): PgVerdict {
    if (type === "Q") return this.#query(text.slice(0, -1));
    if (type === "P") return this.#parse(text.split("\0")[1] ?? "");
    const named = type === "C" && text[0] === "P" ? text.slice(1, -1) : type === "E" ? text.split("\0")[0] : undefined;
    if (type === "E") this.#executed = named ?? "";
    if (this.#suspended === undefined) return "pass";
    if (named === this.#suspended) {
      this.#suspended = undefined;
      return "pass";
    }
    // Flush, Sync, and the end.
    return "HSX".includes(type) ? "pass" : this.#refuse("0A000", PORTALS);
  }

  fromServer({ type }: PgMessage): PgVerdict {
    if (type === "s") this.#suspended = this.#executed;
    if (type === "C" && this.#drops === "C") {
      this.#drops = "";
      const complaint = this.#complaint ?? Buffer.alloc(0);
      this.#complaint = undefined;
      return { instead: complaint };
    }
    if (type === "E" && this.#complaint !== undefined) {
      const complaint = this.#complaint;
      this.#complaint = undefined;
      return { instead: complaint };
    }
    return "pass";
  }

  #query(sql: string): PgVerdict {
    if (/^BEGIN( READ ONLY)?$/.test(sql)) this.#of.begun += 1;
    const refusal = this.#suspended === undefined ? refusalOf(sql) : (["0A000", PORTALS] as const);
    if (refusal !== undefined) {
      this.#of.refused.push(sql);
      return this.#failing("Q", `${sql.replace(/;.*$/s, "")}; refused`, ...refusal);
    }
    const { faults } = this.#of;
    if (sql !== "COMMIT") return "pass";
    if (faults.restartsInCommit > 0) {
      faults.restartsInCommit -= 1;
      return this.#answering("ROLLBACK", "40001", "restart transaction: TransactionRetryWithProtoRefreshError");
    }
    if (faults.ambiguous > 0) {
      faults.ambiguous -= 1;
      return this.#answering("COMMIT", "40003", "result is ambiguous");
    }
    return "pass";
  }

  #parse(sql: string): PgVerdict {
    if (this.#suspended !== undefined) return this.#refuse("0A000", PORTALS);
    const refusal = refusalOf(sql);
    if (refusal !== undefined) {
      this.#of.refused.push(sql);
      return this.#failing("P", "refused", ...refusal);
    }
    if (this.#of.faults.restartsInStatement === 0) return "pass";
    this.#of.faults.restartsInStatement -= 1;
    return this.#failing("P", "refused", "40001", "restart transaction: WriteTooOldError");
  }

  /** Has the server fail at a text that it does not understand, so that it is where CockroachDB would be, and tells of `state`. */
  #failing(type: "P" | "Q", sql: string, state: string, said: string): PgVerdict {
    this.#complaint = pgError(state, said);
    const body = type === "Q" ? `${sql}\0` : `\0${sql}\0\0\0`;
    return { instead: pgMessage(type, body) };
  }

  /** Runs something else, and tells of `state` in the place of its end. */
  #answering(sql: string, state: string, said: string): PgVerdict {
    this.#complaint = pgError(state, said);
    this.#drops = "C";
    return { instead: pgMessage("Q", `${sql}\0`) };
  }

  #refuse(state: string, said: string): PgVerdict {
    this.#of.refused.push(said);
    return { answer: pgError(state, said) };
  }
}

function refusalOf(sql: string): readonly [state: string, said: string] | undefined {
  const found = REFUSED.find(([pattern]) => pattern.test(sql));
  return found && [found[1], found[2]];
}
