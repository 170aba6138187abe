/** Names to addresses. Asked once a connection; what it answers is checked and then connected to as it stands. */
import { lookup } from "node:dns/promises";

/** One address of a name. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Resolves a host name; may be given up by `signal`. Rejects when the name has no address. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly ResolvedAddress[]>;

/** As the machine resolves names (its hosts file included). It cannot be given up; its late answer is dropped. */
export const systemResolve: Resolve = (host) => lookup(host, { all: true });
