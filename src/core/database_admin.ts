/** What whoever administers a project does with its SQL databases; what functions do with them is the binding's. */

/** A database, as it is listed. */
export interface DatabaseInfo {
  readonly name: string;
  /** Of its file; what was written last may still be beside it. */
  readonly bytes: number;
}

/** A statement and the values of its parameters, as `bindings/sql/database/values.ts` has them. */
export interface DatabaseStatement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** The databases of all projects. */
export interface DatabaseAdmin {
  list(project: string): readonly DatabaseInfo[];
  exists(project: string, name: string): boolean;
  /** Runs statements in one transaction. Resolves with JSON: `[{c: [column], r: [[value]], m: {…}}]`. @throws {IsopodError} */
  query(project: string, name: string, statements: readonly DatabaseStatement[]): Promise<string>;
  /** Runs texts of statements, all in one transaction. Resolves with how many statements there were. @throws {IsopodError} */
  script(project: string, name: string, texts: readonly string[]): Promise<number>;
  /** A copy of the file as it is at one moment. @throws {IsopodError} `not_found` */
  copy(project: string, name: string): Promise<ReadableStream<Uint8Array>>;
  /** Puts a file of SQLite in the place of a database. @throws {IsopodError} `bad_request` when it is none */
  replace(project: string, name: string, file: ReadableStream<Uint8Array>): Promise<void>;
  /** Returns whether there was one. */
  delete(project: string, name: string): Promise<boolean>;
}
