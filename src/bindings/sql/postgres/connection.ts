/**
 * One connection to a PostgreSQL server, of ours alone: statements go one at a time by the extended protocol, so that a text
 * is one statement; what the server sends is bounded before it is kept; and what runs can be cancelled.
 *
 * The client is told everything that it would otherwise take from PG… variables or ~/.pgpass: those are the operator's,
 * and the database may be a tenant's.
 */
import type { Socket } from "node:net";
import type { Client as PgClient } from "pg";
import type Cursor from "pg-cursor";
import type { SqlLimits } from "../limits.ts";
import type { DatabaseAddress } from "./address.ts";
import { type BackendKey, requestCancel } from "./cancelling.ts";
import { ConnectionEnd } from "./connection_end.ts";
import { RowReader, type TextRow } from "./row_reader.ts";
import { StreamGuard } from "./stream_guard.ts";

const CONNECT_MS_MAX = 10_000;
/** What a server may say until it is ready, and while nothing is asked of it. */
const IDLE_BYTES_MAX = 256 * 1024;
/** Rows of a statement of ours. */
const LIST_ROWS_MAX = 1000;
/** How often a server looks whether we are still there while it works. */
const CHECK_CLIENT = "SET LOCAL client_connection_check_interval = 2000";

/** What of pg's client is used that its types do not name. */
interface OpenClient extends BackendKey {
  readonly connection: { stream: Socket; on(event: string, listener: () => void): void };
  getStartupConf(): Record<string, string>;
}

/** A connection. */
export class PgConnection {
  readonly #client: PgClient;
  readonly #Cursor: typeof Cursor;
  readonly #open: OpenClient;
  readonly #address: DatabaseAddress;
  readonly #guard: StreamGuard;
  readonly #resultBytesMax: number;
  readonly #end = new ConnectionEnd();
  #checksClient = false;
  #broken = false;
  #used = false;

  private constructor(client: PgClient, cursor: typeof Cursor, address: DatabaseAddress, limits: SqlLimits) {
    this.#Cursor = cursor;
    this.#client = client;
    this.#open = client as unknown as OpenClient;
    this.#address = address;
    // Bytes come as twice their number of digits, and each value with its length.
    this.#resultBytesMax = 2 * limits.resultBytesMax + 4 * 1024 * 1024;
    this.#guard = new StreamGuard(limits);
    const broke = (error = new Error("the connection has ended")) => {
      this.#broken = true;
      this.#end.tell(error);
    };
    client.on("error", broke);
    client.on("end", () => broke());
  }

  /** Opens one; gives up when `signal` fires. @throws {Error} of the way, or with an SQLSTATE as its code */
  static async open(address: DatabaseAddress, limits: SqlLimits, signal: AbortSignal): Promise<PgConnection> {
    // Loaded by those who have such a database only.
    const [{ Client }, { default: Cursor }] = await Promise.all([
      import("pg").then((library) => library.default),
      import("pg-cursor"),
    ]);
    const { host, port, user, password, database, options, tls } = address;
    const client = new Client({
      ...{ host, port, user, database, ssl: tls ?? false, keepAlive: true, connectionTimeoutMillis: CONNECT_MS_MAX },
      ...{ password: () => password, sslnegotiation: "postgres" },
      types: { getTypeParser: () => (text: string) => text } as never,
    });
    const opened = new PgConnection(client, Cursor, address, limits);
    const startup = { user, database, application_name: "isopod", ...(options !== undefined && { options }) };
    opened.#open.getStartupConf = () => startup;
    await opened.#connect(signal);
    return opened;
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const { connection } = this.#open;
    const guard = this.#guard;
    guard.allow(IDLE_BYTES_MAX);
    guard.watch(connection.stream);
    connection.on("sslconnect", () => guard.watch(connection.stream));
    const giveUp = () => this.destroy();
    signal.addEventListener("abort", giveUp);
    try {
      await this.#end.before(this.#client.connect());
      if (signal.aborted) throw signal.reason;
      this.#checksClient = await this.control(`BEGIN; ${CHECK_CLIENT}; ROLLBACK`).then(
        () => true,
        // Older servers, and others that speak the protocol, do not know it.
        () => this.control("ROLLBACK").then(() => false),
      );
    } catch (error) {
      this.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** Whether it can be used no more. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Whether it has served a call: it may have died since then. */
  get used(): boolean {
    return this.#used;
  }

  /** The number of the server's process behind it, as the server has told it. */
  get processID(): number {
    return this.#open.processID | 0;
  }

  /** Begins a transaction, in which results may come. */
  async begin(isReadOnly: boolean): Promise<void> {
    this.allowResults();
    const begin = isReadOnly ? "BEGIN READ ONLY" : "BEGIN";
    await this.control(this.#checksClient ? `${begin}; ${CHECK_CLIENT}` : begin);
  }

  /** Ends the session, with all that was set, locked and made in it. */
  async reset(): Promise<void> {
    this.#guard.allow(IDLE_BYTES_MAX);
    await this.control("DISCARD ALL");
    this.#used = true;
  }

  /** Ends the transaction. @throws {Error} also when the server has undone it and does not call that an error */
  async commit(): Promise<void> {
    const { command } = await this.#end.before(this.#client.query("COMMIT"));
    if (command !== "COMMIT") throw Object.assign(new Error("the transaction was undone"), { code: "40000" });
  }

  /** Runs a statement of ours. */
  async control(sql: string): Promise<void> {
    await this.#end.before(this.#client.query(sql));
  }

  /** Begins a statement of somebody else's. */
  rows(sql: string, values: readonly (string | Buffer | null)[]): RowReader {
    const cursor = new this.#Cursor<(string | null)[]>(sql, [...values], { rowMode: "array" });
    const { stream } = this.#open.connection;
    return new RowReader(cursor, this.#end, (ask) => {
      // What it takes to ask leaves in one write.
      stream.cork();
      ask(this.#client);
      stream.uncork();
    });
  }

  /** The first rows of a statement of ours. */
  async table(sql: string, rowsMax: number, values: readonly string[] = []): Promise<readonly TextRow[]> {
    this.allowResults();
    const reader = this.rows(sql, values);
    const rows = await reader.read(rowsMax);
    await reader.close();
    return rows;
  }

  /** The first column of a statement of ours, 1000 rows at the most. */
  async list(sql: string, values: readonly string[]): Promise<(string | null)[]> {
    return (await this.table(sql, LIST_ROWS_MAX, values)).map(([first = null]) => first);
  }

  /** Lets results come, of as many bytes as those of one call may be. */
  allowResults(): void {
    this.#guard.allow(this.#resultBytesMax);
  }

  /** Asks the server, over a connection of its own, to end what runs. Settles when it has been asked. */
  cancel(): Promise<void> {
    return requestCancel(this.#address, this.#open);
  }

  /** Ends it at once, whatever runs. */
  destroy(): void {
    this.#broken = true;
    this.#open.connection.stream.destroy();
  }

  /** Takes leave of the server, without waiting for its answer. */
  close(): void {
    this.#broken = true;
    this.#client.end().catch(() => {});
  }
}
