/**
 * Open connections: those in use, and a bounded number of idle ones kept for the next request of the same owner to the
 * same origin at the same address. Owners never share one, so no program meets what another left on a connection.
 *
 * HTTP/1.1 itself is undici's; a client of it is given one connected socket and never opens another.
 */
import type { Socket } from "node:net";
import Client from "undici/lib/dispatcher/client.js";
import { type Address, formatAddress } from "./address.ts";
import { ConnectionLost } from "./failure.ts";

/** How many idle connections are kept, and how long. */
export interface ConnectionLimits {
  readonly headBytesMax: number;
  readonly idleConnectionsMax: number;
  readonly idleConnectionMs: number;
}

/** One connection, used by one request at a time. */
export interface Connection {
  readonly client: InstanceType<typeof Client>;
  readonly address: Address;
  readonly key: string;
  /** Whether a request has gone over it before. */
  reused: boolean;
}

/** All connections of the binding. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #open = new Set<Connection>();
  readonly #idle = new Map<string, Connection[]>();
  #idleCount = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** Connections that are open, idle ones included. */
  get size(): number {
    return this.#open.size;
  }

  /** Takes an idle connection to one of the addresses, the youngest first. */
  take(owner: string, origin: string, addresses: readonly Address[]): Connection | undefined {
    for (const address of addresses) {
      const key = keyOf(owner, origin, address);
      const connection = this.#idle.get(key)?.at(-1);
      if (connection === undefined) continue;
      this.#unlist(connection);
      connection.reused = true;
      return connection;
    }
    return undefined;
  }

  /** Puts a connected socket to use. */
  add(owner: string, origin: string, address: Address, socket: Socket): Connection {
    let unused: Socket | undefined = socket;
    const client = new Client(origin, {
      pipelining: 1,
      maxHeaderSize: this.#limits.headBytesMax,
      keepAliveTimeout: this.#limits.idleConnectionMs,
      keepAliveMaxTimeout: this.#limits.idleConnectionMs,
      // The clocks of an exchange are its own.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (_where, done) => {
        const given = unused;
        unused = undefined;
        // Not at once: the client takes a socket only after its own call has returned.
        queueMicrotask(() => {
          if (given === undefined || given.destroyed)
            done(new ConnectionLost("Cannot send: the connection is gone"), null);
          else done(null, given);
        });
      },
    });
    const connection: Connection = { client, address, key: keyOf(owner, origin, address), reused: false };
    this.#open.add(connection);
    client.on("disconnect", () => this.drop(connection));
    return connection;
  }

  /** Keeps a connection whose exchange is complete for the next one. */
  release(connection: Connection): void {
    if (!this.#open.has(connection)) return;
    if (this.#limits.idleConnectionsMax === 0) {
      this.drop(connection);
      return;
    }
    if (this.#idleCount >= this.#limits.idleConnectionsMax) this.#dropOldest();
    const idle = this.#idle.get(connection.key);
    if (idle === undefined) this.#idle.set(connection.key, [connection]);
    else idle.push(connection);
    this.#idleCount++;
  }

  /** Closes a connection at once, whatever goes over it. */
  drop(connection: Connection): void {
    if (!this.#open.delete(connection)) return;
    this.#unlist(connection);
    connection.client.destroy(new ConnectionLost("Cannot use the connection: it was closed")).catch(() => {});
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    const clients = [...this.#open].map((connection) => connection.client);
    for (const connection of this.#open) this.drop(connection);
    await Promise.allSettled(clients.map((client) => client.destroy()));
  }

  #unlist(connection: Connection): void {
    const idle = this.#idle.get(connection.key);
    const at = idle?.indexOf(connection) ?? -1;
    if (idle === undefined || at < 0) return;
    idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(connection.key);
    this.#idleCount--;
  }

  #dropOldest(): void {
    const [oldest] = this.#idle.values().next().value ?? [];
    if (oldest !== undefined) this.drop(oldest);
  }
}

function keyOf(owner: string, origin: string, address: Address): string {
  return `${owner} ${origin} ${formatAddress(address)}`;
}
