/** Plans: the limits and rights of a caller. Keys map to plans; who has no key is `anonymous`. */
import type { BindingDeclaration } from "./binding_kinds.ts";
import type { MiddlewareChain } from "./function.ts";
import type { Limits } from "./limits.ts";

/** Which programs a caller may send: none, those that were pinned, or any. */
export const RUN_RIGHTS = ["none", "pinned", "any"] as const;

/** Which programs a caller may send. */
export type RunRight = (typeof RUN_RIGHTS)[number];

/** A plan. */
export interface Plan {
  readonly name: string;
  readonly run: RunRight;
  /** Only what the plan sets. */
  readonly limits: Partial<Limits>;
  /** Requests a second, of one caller; undefined for no limit. */
  readonly ratePerSecond: number | undefined;
  /** Hosts that its programs may reach. */
  readonly egress: readonly string[];
  /** What its programs have on `env`, by the name there; of the project of the caller's key. */
  readonly bindings: ReadonlyMap<string, BindingDeclaration>;
  /** What runs around programs that such callers send; undefined where nothing does. */
  readonly middlewares?: MiddlewareChain | undefined;
  /** Origins of web pages that may call; `*` for any. */
  readonly origins: readonly string[];
  /** Whether its keys may deploy native code, which is what the `process` engine runs; they may when left out. */
  readonly native?: boolean | undefined;
  /** Of `anonymous`: whether the invoke API of AWS's form takes what nobody has signed; it does not when left out. */
  readonly unsigned?: boolean | undefined;
}

/** An API key, known by its hash alone. */
export interface KeyRecord {
  /** `sha256-<hex>` of the key. */
  readonly hash: string;
  readonly plan: string;
  /** Whether who has it may pin programs. */
  readonly mayPin: boolean;
}

/** The plan's name for callers without a key. */
export const ANONYMOUS = "anonymous";
