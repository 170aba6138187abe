/** What a function may do with a database, as host and database process tell it each other. */

/** A grant. */
export interface SqlGrant {
  readonly mode: "read" | "read-write";
  /** The tables and views that the function sees; undefined for all. Schemas cannot be changed where it is set. */
  readonly tables: readonly string[] | undefined;
}
