/** From an allowed target to a connection: one resolution, the check of what it answered, one connection to that. */
import type { SecureContext } from "node:tls";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import { type Address, parseAddress } from "./address.ts";
import type { Connection, Connections } from "./connections.ts";
import { dial } from "./dial.ts";
import { PhaseTimeout } from "./failure.ts";
import type { EgressLimits } from "./limits.ts";
import { originOf, type Policy } from "./policy.ts";
import type { Hop } from "./request.ts";
import type { Resolve } from "./resolve.ts";
import type { Target } from "./rule.ts";

/** What all calls of a binding share. */
export interface ReachParts {
  readonly limits: EgressLimits;
  readonly clock: Clock;
  readonly resolve: Resolve;
  /** Trusted authorities; the usual ones when undefined. */
  readonly secureContext: SecureContext | undefined;
  readonly connections: Connections;
}

/**
 * The addresses at which `target` may be reached, in the resolver's order, at least one. Those that the policy refuses
 * are left out rather than failing the call: names with a stray private address are common, and are still served.
 * @throws {IsopodError} `egress_denied` when none is left; the message keeps the addresses to ourselves
 */
export async function resolveTarget(
  target: Target,
  policy: Policy,
  parts: ReachParts,
  signal: AbortSignal,
): Promise<readonly Address[]> {
  const found = target.literal === undefined ? await resolve(target.host, parts, signal) : [target.literal];
  const allowed = found.filter((address) => address !== undefined && policy.allowsAddress(target, address));
  if (allowed.length > 0) return allowed as Address[];
  throw new IsopodError("egress_denied", {
    message: `Cannot fetch ${target.method} ${originOf(target)}: its address is not public, and no entry of the egress allow-list names it`,
  });
}

/**
 * Connects to one of the addresses.
 * @throws {Error} why none could be connected to, unexplained
 */
export async function openConnection(
  hop: Hop,
  addresses: readonly Address[],
  owner: string,
  parts: ReachParts,
  signal: AbortSignal,
): Promise<Connection> {
  const { clock, connections, limits, secureContext } = parts;
  const options = { secureContext, clock, signal, timeoutMs: limits.connectTimeoutMs };
  const { socket, address } = await dial(hop.target, addresses, options);
  return connections.add(owner, hop.url.origin, address, socket);
}

async function resolve(
  host: string,
  parts: ReachParts,
  signal: AbortSignal,
): Promise<readonly (Address | undefined)[]> {
  const { promise, resolve: settle, reject } = Promise.withResolvers<readonly (Address | undefined)[]>();
  const giveUp = new AbortController();
  const end = (reason: unknown) => {
    reject(reason);
    giveUp.abort(reason);
  };
  const abort = () => end(signal.reason);
  const timeout = () => end(new PhaseTimeout("its name was not resolved in time"));
  const cancelTimer = parts.clock.after(parts.limits.connectTimeoutMs, timeout);
  signal.addEventListener("abort", abort, { once: true });
  const asked = parts.resolve(host, giveUp.signal);
  asked.then((found) => settle(found.map(({ address }) => parseAddress(address))), reject);
  try {
    return await promise;
  } finally {
    cancelTimer();
    signal.removeEventListener("abort", abort);
  }
}
