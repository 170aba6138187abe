/**
 * The TCP binding: connections of programs to hosts and ports that they were given, made by the host.
 *
 * A connection is one call: what the program writes is the call's body, what it reads is the answer's. It ends with
 * its invocation, and when nothing has gone either way for a while. What is spoken over it is the program's business;
 * TLS, where it is wanted, too.
 */
import type { Binding, BindingAnswer, BindingCall, CallScope, OpenTunnel } from "../../core/binding.ts";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import type { Clock } from "../../core/clock.ts";
import type { Dialler, DialTarget } from "../../core/dialler.ts";
import { IsopodError } from "../../core/errors.ts";
import { parseHostPort } from "./address.ts";
import { OpenConnection } from "./connection.ts";

/** What bounds TCP as a whole; the limits of an invocation are its scope's. */
export interface TcpLimits {
  /** Connections of the server. */
  readonly connectionsMax: number;
  /** Connections of one function, or of one program that came with its request. */
  readonly connectionsPerOwnerMax: number;
  /** Silence in both directions, in milliseconds. */
  readonly idleMs: number;
}

/** The limits when none are given. */
export const TCP_LIMITS: TcpLimits = { connectionsMax: 4096, connectionsPerOwnerMax: 512, idleMs: 60_000 };

/** What the binding is made of. */
export interface TcpParts {
  readonly dialler: Dialler;
  readonly clock: Clock;
  readonly limits?: Partial<TcpLimits> | undefined;
}

/** The binding, and the tunnels that egress has made by it: one count of connections for both. */
export interface TcpBinding extends Binding {
  readonly tunnel: OpenTunnel;
}

/** Creates the binding. */
export function createTcp(parts: TcpParts): TcpBinding {
  return new Tcp(parts);
}

class Tcp implements TcpBinding {
  readonly type = "tcp";
  readonly #parts: TcpParts;
  readonly #limits: TcpLimits;
  /** Connections, those that are being made included, by owner. */
  readonly #owners = new Map<string, number>();
  readonly #open = new Set<OpenConnection>();
  readonly #ending = new AbortController();
  #count = 0;

  constructor(parts: TcpParts) {
    this.#parts = parts;
    this.#limits = { ...TCP_LIMITS, ...parts.limits };
  }

  declare(grant: BindingGrant): Readonly<Record<string, unknown>> {
    return { allow: allowOf(grant) };
  }

  readonly tunnel: OpenTunnel = (call, allow, scope) => this.#connect(call, allow, scope, true);

  async call(call: BindingCall, grant: BindingGrant, scope: CallScope): Promise<BindingAnswer> {
    return this.#connect(call, allowOf(grant), scope, false);
  }

  async #connect(
    { method, url, body }: BindingCall,
    allow: readonly string[],
    scope: CallScope,
    isSecure: boolean,
  ): Promise<BindingAnswer> {
    if (method !== "CONNECT" || body === null) throw refused(`there is no "${method.slice(0, 32)}" of a connection`);
    const target = { ...targetOf(url, isSecure ? [] : allow), isSecure };
    scope.countSubrequest();
    const giveBack = this.#take(scope);
    try {
      const signal = AbortSignal.any([scope.signal, this.#ending.signal]);
      const socket = await this.#parts.dialler.dial(target, allow, signal);
      const { idleMs } = this.#limits;
      const connection: OpenConnection = new OpenConnection(socket, body, {
        ...{ scope, idleMs, clock: this.#parts.clock },
        closed: () => {
          this.#open.delete(connection);
          giveBack();
        },
      });
      this.#open.add(connection);
      return { status: 200, headers: [], body: connection.incoming, url: "", redirected: false };
    } catch (error) {
      giveBack();
      await body.cancel().catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#ending.abort(new IsopodError("egress_failed", { message: "Cannot connect: the server is shutting down" }));
    for (const connection of this.#open) connection.destroy();
  }

  /** A place among the connections; the returned function gives it back, once. */
  #take({ project, functionName, requestId }: CallScope): () => void {
    const owner = functionName === undefined ? `request ${requestId}` : `function ${project}/${functionName}`;
    const own = this.#owners.get(owner) ?? 0;
    const { connectionsMax, connectionsPerOwnerMax } = this.#limits;
    if (own >= connectionsPerOwnerMax) throw failed(`${own} connections of the program are open, the most at a time`);
    if (this.#count >= connectionsMax) throw failed("the server has no connection to spare");
    this.#count += 1;
    this.#owners.set(owner, own + 1);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      this.#count -= 1;
      const left = (this.#owners.get(owner) ?? 1) - 1;
      if (left === 0) this.#owners.delete(owner);
      else this.#owners.set(owner, left);
    };
  }
}

function allowOf({ options }: BindingGrant): readonly string[] {
  const { allow } = options;
  return Array.isArray(allow) ? allow : [];
}

/** Where to: what the program says, or the one host and port that its binding names. */
function targetOf(said: string, allow: readonly string[]): DialTarget {
  const [only = ""] = allow;
  const text = said === "" && allow.length === 1 ? only : said;
  const target = parseHostPort(text);
  if (target !== undefined) return target;
  throw refused(
    `expected a host and a port, such as "db.example.com:5432", and not ${JSON.stringify(text.slice(0, 100))}`,
  );
}

function refused(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot connect: ${why}` });
}

function failed(why: string): IsopodError {
  return new IsopodError("egress_failed", { message: `Cannot connect: ${why}` });
}
