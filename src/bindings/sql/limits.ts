/** Every limit of the SQL binding, with its unit in its name. docs/bindings.md lists them. */

const MB = 1024 * 1024;

/** What one statement, one result and one database may be. */
export interface SqlLimits {
  /** Text of one statement, in bytes. */
  readonly statementBytesMax: number;
  /** Parameters of one statement. */
  readonly parametersMax: number;
  /** A text, a blob or a row, in bytes. */
  readonly valueBytesMax: number;
  readonly columnsMax: number;
  /** Statements of one batch, and of one text given to `exec`. */
  readonly batchStatementsMax: number;
  /** What a function sends with one call, in bytes. */
  readonly requestBytesMax: number;
  /** Rows of the results of one call, all of them together. */
  readonly resultRowsMax: number;
  /** Results of one call as they are sent, in bytes. */
  readonly resultBytesMax: number;
  /** From the start of a call's work to its end, in milliseconds; then the database's process is killed. */
  readonly callMsMax: number;
  /** Size of one database, in bytes. */
  readonly databaseBytesMax: number;
  /** What a database's process may allocate beside what Bun takes to boot, in bytes. */
  readonly memoryBytesMax: number;
}

/** The limits as they stand when nobody sets others. */
export const SQL_LIMITS: SqlLimits = {
  statementBytesMax: 100_000,
  parametersMax: 100,
  valueBytesMax: 1_000_000,
  columnsMax: 100,
  batchStatementsMax: 1000,
  requestBytesMax: 8 * MB,
  resultRowsMax: 100_000,
  resultBytesMax: 8 * MB,
  callMsMax: 30_000,
  databaseBytesMax: 1024 * MB,
  memoryBytesMax: 256 * MB,
};

/** How many processes there are, and how long one stays without work. */
export interface SqlPoolLimits {
  /** Databases in use at the same time. */
  readonly processesMax: number;
  /** Calls that wait for one database. */
  readonly waitingMax: number;
  /** Bytes of the calls that wait for one database. */
  readonly waitingBytesMax: number;
  /** After this long without a call, in milliseconds, a database's process is ended. */
  readonly idleMs: number;
  /** How long a call that nobody waits for any more may go on, in milliseconds, before its process is killed. */
  readonly abandonedMs: number;
  /** From the start of a process to its first word, in milliseconds. */
  readonly startMsMax: number;
}

/** The limits on processes as they stand when nobody sets others. */
export const SQL_POOL_LIMITS: SqlPoolLimits = {
  processesMax: 64,
  waitingMax: 1000,
  waitingBytesMax: 64 * MB,
  idleMs: 60_000,
  abandonedMs: 250,
  startMsMax: 10_000,
};
