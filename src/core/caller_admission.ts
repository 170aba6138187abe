/**
 * Admission of calls that come in by another door than the data plane's: the same key has the same rate, the same
 * concurrency and the same limits at both.
 *
 * The gateway implements it; the admin listener's invoke API uses it.
 */
import type { Limits } from "./limits.ts";

/** A call that may begin. */
export interface AdmittedCall extends Disposable {
  /** Of the key's plan: only what it sets. */
  readonly limits: Partial<Limits>;
  /** The call is over; further calls do nothing. */
  [Symbol.dispose](): void;
}

/** The port. */
export interface CallerAdmission {
  /**
   * Admits a call by an API key, which is named by its hash; undefined is for callers without one, who share one place.
   * @throws {IsopodError} `rate_limited`, `concurrency_limited`, `overloaded`, `draining`; `unauthorized` when the key is gone
   */
  admit(keyHash: string | undefined, signal: AbortSignal): Promise<AdmittedCall>;
}
