/** Middlewares as a configuration names them. Types only. */
import type { Hook, MiddlewareOrder } from "../../core/middleware.ts";

/** A middleware as it lies on the disk. */
export interface MiddlewareConfig {
  readonly name: string;
  readonly kind: "plain" | "persistent" | "module";
  /** Absolute. */
  readonly path: string;
  readonly hooks: readonly Hook[];
}

/** What runs around a function, or around the programs of a plan. */
export interface MiddlewaresConfig {
  /** In the order of their names. */
  readonly list: readonly MiddlewareConfig[];
  readonly order: MiddlewareOrder;
  /** What one hook may take, in milliseconds. */
  readonly timeoutMs: number;
}
