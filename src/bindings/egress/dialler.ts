/**
 * Connections for bindings that speak no HTTP, under the very rules of egress: the target is checked against the
 * allow-list, its name is resolved once, and the connection goes to an address that was checked.
 */
import type { Socket } from "node:net";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Dialler, DialTarget } from "../../core/dialler.ts";
import { IsopodError } from "../../core/errors.ts";
import { parseAddress } from "./address.ts";
import { Connections } from "./connections.ts";
import { dial } from "./dial.ts";
import { explain } from "./failure.ts";
import { EGRESS_LIMITS } from "./limits.ts";
import { Policy } from "./policy.ts";
import { resolveTarget } from "./reach.ts";
import { type Resolve, systemResolve } from "./resolve.ts";
import type { Target } from "./rule.ts";

/** Creates a dialler. */
export function createDialler({
  clock = systemClock,
  resolve = systemResolve,
}: {
  readonly clock?: Clock;
  readonly resolve?: Resolve;
} = {}): Dialler {
  const limits = EGRESS_LIMITS;
  const parts = { limits, clock, resolve, secureContext: undefined, connections: new Connections(limits) };
  return {
    async dial(where, allow, signal): Promise<Socket> {
      const subject = `${where.host.includes(":") ? `[${where.host}]` : where.host}:${where.port}`.slice(0, 200);
      const { host, port, isSecure = false } = where;
      const literal = parseAddress(host);
      const target: Target = { method: "CONNECT", scheme: isSecure ? "https:" : "http:", host, port, literal };
      try {
        const policy = new Policy({ allow, secrets: [] });
        policy.checkTarget(target);
        const addresses = await resolveTarget(target, policy, parts, signal);
        const timeoutMs = limits.connectTimeoutMs;
        // Who spoke of TLS speaks it by itself, over the bare connection.
        const bare: Target = { ...target, scheme: "http:" };
        return (await dial(bare, addresses, { secureContext: undefined, clock, signal, timeoutMs })).socket;
      } catch (error) {
        throw refusal(subject, error, where);
      }
    },
  };
}

function refusal(subject: string, error: unknown, { host }: DialTarget): IsopodError {
  if (error instanceof IsopodError && error.code === "egress_denied") {
    const why = `no entry of the allow-list has this host and port, or ${host.slice(0, 100)} is not public and none names its address`;
    return new IsopodError("egress_denied", { message: `Cannot connect to ${subject}: ${why}` });
  }
  const named = explain(subject, error);
  const message = named.message.replace(/^Cannot fetch /, "Cannot connect to ");
  return new IsopodError(named.code, { ...named.details, message });
}
