/** Who calls: the plan that a request's key maps to, and the name under which its use is counted. */
import { IsopodError } from "../core/errors.ts";
import { hashOf } from "../stdx/hash.ts";
import { callerKeyOfAddress } from "./admission.ts";
import type { CallerPlan, Snapshot } from "./snapshot.ts";

/** A caller. */
export interface Caller {
  /** The name under which its rate and concurrency are counted. */
  readonly key: string;
  readonly plan: CallerPlan;
  /** Whether a key of ours said so; such a key is never shown to a function. */
  readonly byKey: boolean;
}

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i;

/** The caller of a request; a credential that is no key of ours is the function's business, and its sender anonymous. */
export function identifyCaller(authorization: string | null, remoteAddress: string, snapshot: Snapshot): Caller {
  const key = authorization === null ? undefined : BEARER.exec(authorization)?.[1];
  const hash = key === undefined ? "" : hashOf(key);
  const plan = key === undefined ? undefined : snapshot.planOfKey.get(hash);
  if (plan !== undefined) return { key: hash, plan, byKey: true };
  return { key: callerKeyOfAddress(remoteAddress), plan: snapshot.anonymous, byKey: false };
}

/**
 * The caller of the codeless endpoint, where a credential can only be a key.
 * @throws {IsopodError} `unauthorized` when it is not known: never silently anonymous
 */
export function identifyRunner(authorization: string | null, remoteAddress: string, snapshot: Snapshot): Caller {
  const caller = identifyCaller(authorization, remoteAddress, snapshot);
  if (authorization !== null && !caller.byKey) throw new IsopodError("unauthorized");
  return caller;
}
