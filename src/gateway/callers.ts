/** Who calls: the plan that a request's key maps to, and the name under which its use is counted. */
import { systemClock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import type { FunctionVersion } from "../core/function.ts";
import { ANONYMOUS } from "../core/plan.ts";
import type { WasmAsker } from "../core/wasm_program.ts";
import { hashOf } from "../stdx/hash.ts";
import { callerKeyOfAddress } from "./admission.ts";
import type { CallerPlan, KnownKey, Snapshot } from "./snapshot.ts";

/** A caller. */
export interface Caller {
  /** The name under which its rate and concurrency are counted. */
  readonly key: string;
  readonly plan: CallerPlan;
  /** Whether it gave a key of ours, a useless one included; such a key is never shown to a function. */
  readonly byKey: boolean;
  /** The key, where it counts. */
  readonly known: KnownKey | undefined;
}

const BEARER = /^Bearer +([\x21-\x7e]{1,512})$/i;

/**
 * The caller of a function; a credential that is no key of ours is the function's business, and its sender anonymous.
 * So is the sender of a key that has expired, or that functions may not be called with.
 */
export function identifyCaller(authorization: string | null, remoteAddress: string, snapshot: Snapshot): Caller {
  const key = keyOf(authorization, snapshot);
  const known = key?.mayInvoke && !hasExpired(key) ? key : undefined;
  if (known !== undefined) return { key: known.hash, plan: known.plan, byKey: true, known };
  const plan = snapshot.anonymous;
  return { key: callerKeyOfAddress(remoteAddress), plan, byKey: key !== undefined, known: undefined };
}

/**
 * The caller of the codeless endpoint, where a credential can only be a key.
 * @throws {IsopodError} `unauthorized` when it is not known, `forbidden` when it is not for this; never silently anonymous
 */
export function identifyRunner(authorization: string | null, remoteAddress: string, snapshot: Snapshot): Caller {
  if (authorization === null) {
    const key = callerKeyOfAddress(remoteAddress);
    return { key, plan: snapshot.anonymous, byKey: false, known: undefined };
  }
  const known = keyOf(authorization, snapshot);
  if (known === undefined) throw new IsopodError("unauthorized");
  if (hasExpired(known)) throw new IsopodError("unauthorized", { message: "The API key has expired." });
  if (!known.mayRun) throw new IsopodError("forbidden", { message: "The API key has no scope for running programs." });
  return { key: known.hash, plan: known.plan, byKey: true, known };
}

/** A key of another project says nothing here: whose project it is decides what a caller may use of it. */
export function callerFor(caller: Caller, version: FunctionVersion, snapshot: Snapshot): Caller {
  const { known } = caller;
  if (known?.project === undefined || known.project === version.project) return caller;
  return { key: caller.key, plan: snapshot.anonymous, byKey: true, known: undefined };
}

/** As whom a caller waits for components to be made ready: keys of one project share what there is, and so do all without one. */
export function askerOf({ key, known, plan }: Caller): WasmAsker {
  const group = known === undefined ? ANONYMOUS : (known.project ?? known.hash);
  return { caller: key, group, cpuMs: plan.programLimits.cpuMs };
}

function keyOf(authorization: string | null, snapshot: Snapshot): KnownKey | undefined {
  const key = authorization === null ? undefined : BEARER.exec(authorization)?.[1];
  return key === undefined ? undefined : snapshot.keys.get(hashOf(key));
}

function hasExpired({ expiresAt }: KnownKey): boolean {
  return expiresAt !== undefined && expiresAt <= systemClock.wallNow();
}
