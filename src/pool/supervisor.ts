/**
 * Watches running instances and ends what breaks a limit in time, processor time or memory.
 *
 * It looks at every instance with invocations each `TICK_MS`, and stops looking when there is none. What an instance
 * does between invocations is looked at each `IDLE_MS`. What a look concludes stands in `watch.ts`.
 */
import type { Clock } from "../core/clock.ts";
import type { IsopodError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import type { Instance } from "./instance.ts";
import type { RunningInvocation } from "./invocation.ts";
import { IDLE_MS, Watch } from "./watch.ts";

/** How often running instances are looked at, in milliseconds. */
const TICK_MS = 20;

/** The supervisor of a pool. */
export class Supervisor {
  readonly #clock: Clock;
  readonly #watches = new Map<Instance, Watch>();
  #cancel: (() => void) | undefined;
  #cancelIdle: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Watches `instance` under `limits` until it is gone. */
  watch(instance: Instance, limits: Limits): void {
    this.#watches.set(instance, new Watch(instance, limits, this.#clock.now()));
    instance.ended.then(() => this.#forget(instance));
    this.#cancelIdle ??= this.#clock.every(IDLE_MS, () => this.#lookAtIdle());
  }

  /** An instance has been given work: looking begins, if it had stopped. */
  begin(): void {
    this.#cancel ??= this.#clock.every(TICK_MS, () => this.#tick());
  }

  /** How long `instance` has been using a whole core, in milliseconds. */
  busyMs(instance: Instance): number {
    const since = this.#watches.get(instance)?.busySince;
    return since === undefined ? 0 : this.#clock.now() - since;
  }

  /** A limit was broken in `instance`, which has other invocations: it ends soon unless its event loop turns. */
  condemn(instance: Instance, error: IsopodError): void {
    const watch = this.#watches.get(instance);
    if (watch === undefined) return;
    watch.condemn(error, this.#clock.now());
    this.begin();
  }

  /** The caller of `invocation` has hung up; it may burn no more than it could have, and alone nothing at all. */
  doubt(instance: Instance, invocation: RunningInvocation): void {
    const watch = this.#watches.get(instance);
    if (watch === undefined) return;
    watch.doubt(invocation.meter, this.#clock.now());
    this.begin();
  }

  /** Stops. */
  close(): void {
    this.#cancel?.();
    this.#cancelIdle?.();
    this.#watches.clear();
  }

  #forget(instance: Instance): void {
    this.#watches.delete(instance);
    if (this.#watches.size > 0) return;
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
  }

  #tick(): void {
    let busy = false;
    const now = this.#clock.now();
    for (const watch of this.#watches.values()) {
      if (watch.quiet) continue;
      busy = true;
      watch.look(now);
    }
    if (busy) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #lookAtIdle(): void {
    const now = this.#clock.now();
    for (const watch of this.#watches.values()) watch.lookIdle(now);
  }
}
