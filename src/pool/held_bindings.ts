/**
 * What an instance holds: found by the name that its guest gives, and told to its guest when it is loaded.
 *
 * A name is looked up among the grants of the instance, and nowhere else: there is none for what it does not hold.
 */
import type { BindingAnswer, BindingCall, BindingSet, CallScope, Grants } from "../core/binding.ts";
import type { GuestDeclaration } from "../core/guest.ts";

/** Calls a binding with the grant that is held. */
export type Ask = (call: BindingCall, scope: CallScope) => Promise<BindingAnswer>;

/** What the guest calls by `name`; undefined when it holds nothing of this name. */
export function findHeld(name: string, grants: Grants, { egress, cache, byType }: BindingSet): Ask | undefined {
  if (name === "egress") return egress && ((call, scope) => egress.call(call, grants.egress, scope));
  if (name === "cache") return cache && ((call, scope) => cache.call(call, grants.cacheSpace, scope));
  const grant = grants.bindings.get(name);
  const binding = grant && byType.get(grant.type);
  return grant && binding && ((call, scope) => binding.call(call, grant, scope));
}

/** What a guest is told of the bindings that it holds. */
export function declarationsOf(grants: Grants["bindings"], byType: BindingSet["byType"]): GuestDeclaration[] {
  return [...grants].map(([name, grant]) => {
    return { name, type: grant.type, options: byType.get(grant.type)?.declare?.(grant) ?? {} };
  });
}
