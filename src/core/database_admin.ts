/** What whoever administers a project does with its SQL databases; what functions do with them is the binding's. */

/** The language of a database. */
export type SqlDialectName = "sqlite" | "postgres";

/** A database, as it is listed. */
export interface DatabaseInfo {
  readonly name: string;
  readonly dialect: SqlDialectName;
  /** Of its file; what was written last may still be beside it. Null where it is not ours. */
  readonly bytes: number | null;
}

/** A database that was found by its name. */
export interface FoundDatabase extends DatabaseInfo {
  /** Whether the server's operator has given it to functions, and not the project itself. */
  readonly isOperators: boolean;
}

/** A statement and the values of its parameters, as `bindings/sql/database/values.ts` has them. */
export interface DatabaseStatement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** The databases of all projects: files of SQLite, and those of PostgreSQL that functions and plans name. */
export interface DatabaseAdmin {
  list(project: string): Promise<readonly DatabaseInfo[]>;
  /** What is meant by a name: what a function or plan names in PostgreSQL, else SQLite's, whether there is one or not. */
  find(project: string, name: string): Promise<FoundDatabase>;
  /** Runs statements in one transaction. Resolves with JSON: `[{c: [column], r: [[value]], m: {…}}]`. @throws {IsopodError} */
  query(project: string, name: string, statements: readonly DatabaseStatement[]): Promise<string>;
  /** Runs texts of statements, all in one transaction. Resolves with how many statements there were. @throws {IsopodError} */
  script(project: string, name: string, texts: readonly string[]): Promise<number>;
  /** A copy as it is at one moment: the file of SQLite, or PostgreSQL's rows as a text of statements. @throws {IsopodError} `not_found` */
  copy(project: string, name: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  /** Puts a file of SQLite in the place of a database. @throws {IsopodError} `bad_request` when it is none */
  replace(project: string, name: string, file: ReadableStream<Uint8Array>): Promise<void>;
  /** Returns whether there was one. @throws {IsopodError} `bad_request` for one that is not ours */
  delete(project: string, name: string): Promise<boolean>;
}
