/** Admits calls by API keys that come in by another door, by the same buckets as the data plane's requests. */
import type { CallerAdmission } from "../core/caller_admission.ts";
import { IsopodError } from "../core/errors.ts";
import type { Admission } from "./admission.ts";
import type { Snapshot } from "./snapshot.ts";

/** The place of all who have no key. */
const UNSIGNED = "unsigned";

/** Makes the port; `snapshot` gives what is deployed now. */
export function createKeyAdmission(admission: Admission, snapshot: () => Snapshot): CallerAdmission {
  return {
    async admit(keyHash, signal) {
      const { keys, anonymous } = snapshot();
      const key = keyHash === undefined ? { hash: UNSIGNED, plan: anonymous } : keys.get(keyHash);
      if (key === undefined) throw new IsopodError("unauthorized");
      const lease = await admission.admit(key.hash, key.plan, { signal });
      return { limits: key.plan.limits, [Symbol.dispose]: () => lease.release() };
    },
  };
}
