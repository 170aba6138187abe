/** What a function may do with a database, as host and database process tell it each other. */

/** A grant. */
export interface SqlGrant {
  readonly mode: "read" | "read-write";
  /** The tables and views that the function sees; undefined for all. Schemas cannot be changed where it is set. */
  readonly tables: readonly string[] | undefined;
}

/** What is in front of a call: the grant, or what the server itself wants done with the file. */
export type CallHead =
  | SqlGrant
  /** A copy of the file as it is now, into a file that is not there yet. */
  | { readonly copyTo: string }
  /** Whether the file is whole. */
  | { readonly check: true };
