/** The type of a SQL database on `env`, under the names that Cloudflare's types for D1 have. Types only. */

/** What a row holds: integers beyond 2^53 are texts, or BigInt where `prepare` was told so. */
export type SQLValue = null | string | number | boolean | bigint | Uint8Array | readonly SQLValue[];

/** What can be bound. */
export type SQLParameter = null | string | number | boolean | bigint | ArrayBuffer | ArrayBufferView;

/** Figures of a statement. */
export interface D1Meta {
  /** Milliseconds. */
  readonly duration: number;
  readonly changes: number;
  readonly last_row_id: number | null;
  readonly changed_db: boolean;
  /** Bytes. */
  readonly size_after: number;
  readonly rows_read: number;
  readonly rows_written: number;
}

/** What `all` and `run` give. */
export interface D1Result<Row = Record<string, SQLValue>> {
  readonly success: true;
  readonly results: Row[];
  readonly meta: D1Meta;
}

/** A statement. */
export interface D1PreparedStatement {
  bind(...values: readonly SQLParameter[]): D1PreparedStatement;
  first<Row = Record<string, SQLValue>>(): Promise<Row | null>;
  first<Value = SQLValue>(column: string): Promise<Value | null>;
  all<Row = Record<string, SQLValue>>(): Promise<D1Result<Row>>;
  run<Row = Record<string, SQLValue>>(): Promise<D1Result<Row>>;
  raw<Row = SQLValue[]>(options?: { readonly columnNames?: false }): Promise<Row[]>;
  raw<Row = SQLValue[]>(options: { readonly columnNames: true }): Promise<[string[], ...Row[]]>;
}

/** A database. What fails rejects with an `Error` that has a `code`. */
export interface D1Database {
  prepare(sql: string, options?: { readonly bigint?: boolean }): D1PreparedStatement;
  /** All in one transaction: every statement, or none. */
  batch<Row = Record<string, SQLValue>>(statements: readonly D1PreparedStatement[]): Promise<D1Result<Row>[]>;
  exec(sql: string): Promise<{ readonly count: number; readonly duration: number }>;
  /** For code that has D1's sessions: every read sees all that was written before, with them or without. */
  withSession(constraintOrBookmark?: string): D1DatabaseSession;
}

/** A session. */
export interface D1DatabaseSession extends Pick<D1Database, "prepare" | "batch"> {
  getBookmark(): string | null;
}
