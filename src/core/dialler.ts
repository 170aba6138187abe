/**
 * The port by which connections are made to what a program may reach: under the rules of an allow-list in the language
 * of egress, to addresses that were checked. What goes over a connection is no business of it.
 */
import type { Socket } from "node:net";

/** Where to. */
export interface DialTarget {
  /** A name, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether what is spoken there is TLS: an entry that names no port means 443 then. */
  readonly isSecure?: boolean | undefined;
}

/** Makes connections. */
export interface Dialler {
  /**
   * Connects, within 10 s.
   * @param allow entries of an allow-list, such as `db.example.com:5432`
   * @throws {IsopodError} `egress_denied`, `egress_failed`
   */
  dial(target: DialTarget, allow: readonly string[], signal: AbortSignal): Promise<Socket>;
}
