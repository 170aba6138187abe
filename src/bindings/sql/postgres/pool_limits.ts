/** How many connections to databases of PostgreSQL there are, and who may wait for one. Not read from the configuration. */

/** How many connections there are, and how long one stays without work. */
export interface PgPoolLimits {
  /** Of one project to one database. */
  readonly connectionsMax: number;
  /** Of one project. */
  readonly projectConnectionsMax: number;
  /** Of all projects to one database as one role. */
  readonly databaseConnectionsMax: number;
  /** Of the server. */
  readonly serverConnectionsMax: number;
  /** Calls of one project that wait for a connection to one database. */
  readonly waitingMax: number;
  /** Bytes of those calls. */
  readonly waitingBytesMax: number;
  readonly idleMs: number;
}

/** The limits as they stand when nobody sets others. */
export const PG_POOL_LIMITS: PgPoolLimits = {
  connectionsMax: 8,
  projectConnectionsMax: 16,
  databaseConnectionsMax: 32,
  serverConnectionsMax: 64,
  waitingMax: 1000,
  waitingBytesMax: 64 * 1024 * 1024,
  idleMs: 30_000,
};
