/**
 * One connection to a PostgreSQL server, of ours alone: statements go one at a time by the extended protocol, so that a text
 * is one statement; every message of the server is bounded before it is kept; and what runs can be cancelled.
 */
import { connect, type Socket } from "node:net";
import type { Client as PgClient } from "pg";
import type { DatabaseAddress } from "./address.ts";
import { readText } from "./values.ts";

/** The largest message that a server may send: a row with a value at its limit, and the names of columns. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
const CONNECT_MS_MAX = 10_000;
const CANCEL_MS_MAX = 5000;
const CANCEL_REQUEST = 80_877_102;

/** The rows of a statement, a few at a time. */
export interface RowReader {
  /** The next rows; none at the end. */
  read(count: number): Promise<unknown[][]>;
  close(): Promise<void>;
  /** Known from the first rows on. */
  readonly columns: readonly string[];
  /** Rows that were changed, known at the end. */
  readonly changes: number;
}

/** What of pg's client is used that its types do not name. */
interface OpenClient {
  readonly processID: number;
  readonly secretKey: number;
  readonly connection: { stream: Socket; on(event: string, listener: () => void): void };
}

/** A connection. */
export class PgConnection {
  readonly #client: PgClient;
  readonly #address: DatabaseAddress;
  /** Rejects when the connection is gone: what was asked of it is not answered any more, and not always failed either. */
  readonly #gone: Promise<never>;
  #broken = false;

  private constructor(client: PgClient, address: DatabaseAddress) {
    this.#client = client;
    this.#address = address;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.#gone = promise;
    const broke = (error?: Error) => {
      this.#broken = true;
      reject(error ?? new Error("the connection has ended"));
    };
    client.on("error", broke);
    client.on("end", () => broke());
  }

  /** Opens one. @throws {Error} of the way, or with an SQLSTATE as its code */
  static async open(address: DatabaseAddress): Promise<PgConnection> {
    const { Client } = (await import("pg")).default;
    const { host, port, user, password, database, ssl } = address;
    const client = new Client({
      ...{ host, port, user, password, database, ssl, application_name: "isopod" },
      ...{ connectionTimeoutMillis: CONNECT_MS_MAX, keepAlive: true },
      types: { getTypeParser: (type: number) => readText(type) } as never,
    });
    const { connection } = client as unknown as OpenClient;
    guard(connection.stream);
    // With TLS the messages come by another stream.
    connection.on("sslconnect", () => guard(connection.stream));
    const opened = new PgConnection(client, address);
    await client.connect();
    return opened;
  }

  /** Whether it can be used no more. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Runs a statement of ours. */
  async control(sql: string): Promise<void> {
    await Promise.race([this.#client.query(sql), this.#gone]);
  }

  /** Begins a statement of somebody else's. */
  async rows(sql: string, values: readonly (string | Buffer | null)[]): Promise<RowReader> {
    const { default: Cursor } = await import("pg-cursor");
    const cursor = this.#client.query(new Cursor<unknown[]>(sql, [...values], { rowMode: "array" }));
    let columns: readonly string[] = [];
    let changes = 0;
    return {
      read: (count) => {
        const read = new Promise<unknown[][]>((resolve, reject) => {
          cursor.read(count, (error: Error | undefined, rows: unknown[][], result) => {
            if (error) return reject(error);
            columns = result?.fields.map(({ name }) => name) ?? columns;
            const isQuery = result?.command === "SELECT" || result?.command === undefined;
            if (!isQuery && typeof result?.rowCount === "number") changes = result.rowCount;
            resolve(rows);
          });
        });
        return Promise.race([read, this.#gone]);
      },
      close: () => Promise.race([cursor.close(), this.#gone]),
      get columns() {
        return columns;
      },
      get changes() {
        return changes;
      },
    };
  }

  /** Asks the server, over a connection of its own, to end what runs. Settles when it has been asked. */
  cancel(): Promise<void> {
    const { processID, secretKey } = this.#client as unknown as OpenClient;
    const request = Buffer.alloc(16);
    for (const [at, value] of [16, CANCEL_REQUEST, processID, secretKey].entries())
      request.writeInt32BE(value | 0, at * 4);
    return new Promise((resolve) => {
      const { host, port } = this.#address;
      const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
      const end = () => {
        clearTimeout(timer);
        socket.destroy();
        resolve();
      };
      const timer = setTimeout(end, CANCEL_MS_MAX);
      socket
        .on("connect", () => socket.write(request))
        .on("error", end)
        .on("close", end)
        .on("end", end);
    });
  }

  /** Ends it at once, whatever runs. */
  destroy(): void {
    this.#broken = true;
    (this.#client as unknown as OpenClient).connection.stream.destroy();
  }

  /** Takes leave of the server. */
  async close(): Promise<void> {
    this.#broken = true;
    await Promise.race([this.#client.end(), this.#gone]).catch(() => {});
  }
}

/** Ends a stream on which a message is announced that is larger than any may be. */
function guard(stream: Socket): void {
  const header = Buffer.alloc(5);
  let filled = 0;
  let left = 0;
  stream.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at);
        left -= taken;
        at += taken;
        continue;
      }
      // The answer to the question for TLS is one byte, and no message.
      header[filled++] = chunk[at++] as number;
      if (filled < header.length) continue;
      filled = 0;
      left = header.readInt32BE(1) - 4;
      if (left < 0 || left > MESSAGE_BYTES_MAX)
        return void stream.destroy(new Error("a message of the database is too large"));
    }
  });
}
