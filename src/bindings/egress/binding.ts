/**
 * The egress binding: the `fetch` of programs, by the host, within their grants.
 *
 * For every request, redirects included: the target is checked against the allow-list, its name is resolved once, the
 * addresses that are neither public nor named are left out, and the connection goes to one of the rest. So a name that
 * changes its address between check and use (DNS rebinding) gains nothing, and a name with one private address among
 * public ones still works, over the public ones. It does not speak HTTP/2, use proxies, keep cookies or cache.
 *
 * Secrets go into header values only, never into URLs or bodies. A server that echoes one in its response shows it to
 * the program: give a secret to hosts that you trust with it.
 */
import { createSecureContext, rootCertificates } from "node:tls";
import type { Binding, BindingAnswer, BindingCall, CallScope, OpenTunnel } from "../../core/binding.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { EgressGrant } from "../../core/function.ts";
import { Call } from "./call.ts";
import { Connections } from "./connections.ts";
import { EGRESS_LIMITS, type EgressLimits } from "./limits.ts";
import { Policies } from "./policy.ts";
import type { ReachParts } from "./reach.ts";
import { type Resolve, systemResolve } from "./resolve.ts";
import { Slots } from "./slots.ts";

/** How an egress binding is set up; everything may be left out. */
export interface EgressOptions {
  readonly limits?: Partial<EgressLimits> | undefined;
  /** Certificates (PEM) of authorities to trust beside the usual ones. */
  readonly ca?: string | readonly string[] | undefined;
  readonly resolve?: Resolve | undefined;
  readonly clock?: Clock | undefined;
  /** Makes the tunnels that programs ask their proxy for; there are none when left out. */
  readonly tunnel?: OpenTunnel | undefined;
}

/**
 * Creates the binding.
 * @example const egress = createEgress({ limits: { connectTimeoutMs: 3000 } });
 */
export function createEgress(options: EgressOptions = {}): Binding<EgressGrant> {
  const limits: EgressLimits = { ...EGRESS_LIMITS, ...options.limits };
  return new Egress(limits, options.tunnel, {
    limits,
    clock: options.clock ?? systemClock,
    resolve: options.resolve ?? systemResolve,
    secureContext:
      options.ca === undefined ? undefined : createSecureContext({ ca: [...rootCertificates, ...[options.ca].flat()] }),
    connections: new Connections(limits),
  });
}

class Egress implements Binding<EgressGrant> {
  readonly type = "egress";
  readonly #parts: ReachParts;
  readonly #tunnel: OpenTunnel | undefined;
  readonly #policies = new Policies();
  readonly #slots: Slots;
  readonly #calls = new Set<Call>();
  #closed = false;

  constructor(limits: EgressLimits, tunnel: OpenTunnel | undefined, parts: ReachParts) {
    this.#tunnel = tunnel;
    this.#parts = parts;
    this.#slots = new Slots(limits.callsMax, limits.callsPerOwnerMax);
  }

  async call(request: BindingCall, grant: EgressGrant, scope: CallScope): Promise<BindingAnswer> {
    if (this.#closed) throw closing();
    if (request.method === "CONNECT" && this.#tunnel !== undefined) return this.#tunnel(request, grant.allow, scope);
    const policy = this.#policies.of(grant);
    // A program that came with its request shares nothing with the next one.
    const owner = scope.functionName === undefined ? `request ${scope.requestId}` : `function ${scope.functionName}`;
    const giveBack = this.#slots.take(owner);
    const call: Call = new Call(this.#parts, policy, scope, owner, () => {
      giveBack();
      this.#calls.delete(call);
    });
    this.#calls.add(call);
    return await call.run(request);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const call of this.#calls) call.end(closing());
    await this.#parts.connections.close();
  }
}

function closing(): IsopodError {
  return new IsopodError("egress_failed", { message: "Cannot fetch: the server is shutting down" });
}
