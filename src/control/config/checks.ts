/** The checks that a configuration leaves to other rooms. */

/** Checks of values whose grammar another room owns; each throws an error that says what is wrong. */
export interface ValueChecks {
  /** An entry of an egress allow-list. */
  readonly validateEgress?: ((rule: string) => void) | undefined;
  /** An entry of `codeless.sources`. */
  readonly validateSource?: ((source: string) => void) | undefined;
  /** A cron expression and its time zone. */
  readonly validateCron?: ((cron: string, timezone: string) => void) | undefined;
  /** A host that a secret belongs to. */
  readonly validateHost?: ((host: string) => void) | undefined;
}
