/** Where the databases of PostgreSQL are that projects name. Only the host ever knows. */
import type { SecretUrl } from "./binding_kinds.ts";

/** A database that functions or plans name. */
export interface NamedDatabase {
  readonly name: string;
  /** The url that may do the most of those that stand under the name; undefined when two may, and differ. */
  readonly secretUrl: SecretUrl | undefined;
}

/** Finds the urls. */
export interface DatabaseUrls {
  /** The url that a secret of a project holds. @throws {IsopodError} `binding_failed` when there is none */
  ofSecret(project: string, secret: string): SecretUrl;
  /** The databases that functions and plans of a project name, as they are deployed now. */
  named(project: string): Promise<readonly NamedDatabase[]>;
}
