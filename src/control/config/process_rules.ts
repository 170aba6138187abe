/** The keys and the bounds that only functions of the `process` engine have. */
import { limitRule } from "../../core/limits.ts";

/** The rule of `grace_ms`. */
export const GRACE_RULE = limitRule("grace_ms", 1, 200, 0, 60_000, "Time between SIGTERM and the deadline.");

/** Keys that only this engine knows. */
export const PROCESS_KEYS = [
  ...["dialect", "command", "handler", "event", "layers", "runtime", "root", "readiness", "lines", "grace_ms"],
] as const;
