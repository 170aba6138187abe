/** How a pool and its instances are set up. */
import type { BindingSet } from "../core/binding.ts";
import type { Clock } from "../core/clock.ts";
import type { Engine, GuestProcess } from "../core/engine.ts";
import type { EngineName } from "../core/function.ts";
import type { LogLine } from "../core/invocation.ts";

/** Sizes and times of a pool. */
export interface PoolSizes {
  /** Code-less instances that wait for work. */
  readonly prewarmed: number;
  /** Instances at a time, prewarmed ones included. */
  readonly instancesMax: number;
  /** Invocations that may wait for an instance, of one version. */
  readonly queueMax: number;
  /** An instance without invocations for this long is ended, in milliseconds. */
  readonly idleMs: number;
  /** An instance older than this is replaced, in milliseconds. */
  readonly ageMs: number;
  /** An instance that has had this many invocations is replaced. */
  readonly invocationsMax: number;
}

/** Hears when instances come and go. */
export interface InstanceLives {
  /** An instance is ready, this many seconds after its start. */
  started(seconds: number, engine: EngineName): void;
  /** An instance is gone; `reason` is a code of the catalogue. */
  ended(reason: string, engine: EngineName): void;
}

/** What a pool is made of. */
export interface PoolOptions {
  /** The engine whose instances are given their program when they are there, so that some can wait for one. */
  readonly engine: Engine;
  /** Engines whose instances begin with their program. */
  readonly launching?: ReadonlyMap<EngineName, Engine> | undefined;
  readonly clock: Clock;
  readonly bindings: BindingSet;
  readonly sizes: PoolSizes;
  /** Hears of instances, for the metrics. */
  readonly lives: InstanceLives;
  /** A line for the log that belongs to no invocation. */
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}

/** What an instance is made of. */
export interface InstanceOptions {
  readonly process: GuestProcess;
  readonly clock: Clock;
  readonly bindings: BindingSet;
  /** A line that the log should have: of the instance, or of an invocation that has no observer. */
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}
