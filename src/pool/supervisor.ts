/**
 * Watches running instances and ends what breaks a limit in time, processor time or memory.
 *
 * It looks at every instance with invocations each `TICK_MS`, and stops looking when there is none. An instance with
 * many invocations shares its processor time equally among them, but for WebSockets on which nothing happened; one whose event loop does not turn while it burns
 * time is stuck, and ends as a whole. What an instance does between invocations is looked at each `IDLE_TICKS`.
 */
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";
import { LIMIT_RULES, type Limits } from "../core/limits.ts";
import { limitError } from "./figures.ts";
import type { Instance } from "./instance.ts";
import type { RunningInvocation } from "./invocation.ts";

/** How often running instances are looked at, in milliseconds. */
const TICK_MS = 20;

/** Idle instances are looked at every so many ticks of their own timer, in milliseconds. */
const IDLE_MS = 1000;

/** An instance that uses more of a core than this without an invocation is ended. */
const IDLE_CPU_SHARE = 0.5;

/** An instance above this share of a core has work for another one. */
const BUSY_CPU_SHARE = 0.8;

/** What the supervisor has seen of one instance. */
interface Watch {
  limits: Limits;
  cpuMs: number;
  at: number;
  /** Processor time at which a ping was sent that is not answered yet. */
  pingCpuMs: number | undefined;
  /** Since when it has been using a whole core, in the clock's time; undefined when it is not. */
  busySince: number | undefined;
  /** Processor time that evaluating its program has taken, in milliseconds. */
  loadCpuMs: number;
  /** Its caller has hung up, and its event loop has not turned since. */
  doubt: Doubt | undefined;
  /** It has broken a limit: it must answer a ping by this time, or end. */
  condemned: { readonly at: number; readonly error: IsopodError } | undefined;
}

/** What an invocation that nobody waits for any more may still use in an instance that does not answer. */
interface Doubt {
  readonly since: number;
  readonly limits: Limits;
  readonly wallAt: number;
  cpuLeftMs: number;
}

/** How long an instance in which a limit was broken may take to show that its event loop turns, in milliseconds. */
const PROOF_MS = 120;

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
    const watch: Watch = {
      limits,
      cpuMs: instance.usage()?.cpuMs ?? 0,
      at: this.#clock.now(),
      pingCpuMs: undefined,
      busySince: undefined,
      loadCpuMs: 0,
      doubt: undefined,
      condemned: undefined,
    };
    this.#watches.set(instance, watch);
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
    if (watch === undefined || watch.condemned !== undefined) return;
    watch.condemned = { at: this.#clock.now() + PROOF_MS, error };
    instance.ping().then(() => {
      watch.condemned = undefined;
    });
    this.begin();
  }

  /** The caller of `invocation` has hung up; it may burn no more than it could have, and alone nothing at all. */
  doubt(instance: Instance, { meter }: RunningInvocation): void {
    const watch = this.#watches.get(instance);
    if (watch === undefined) return;
    const { limits, startedAt, cpuMs } = meter;
    watch.doubt ??= {
      since: this.#clock.now(),
      limits,
      wallAt: startedAt + limits.wallMs,
      cpuLeftMs: limits.cpuMs - cpuMs,
    };
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
    for (const [instance, watch] of this.#watches) {
      if (!instance.alive || isQuiet(instance, watch)) continue;
      busy = true;
      this.#look(instance, watch, now);
    }
    if (busy) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(instance: Instance, watch: Watch, now: number): void {
    const usage = instance.usage();
    if (usage === undefined) return;
    const spentMs = Math.max(0, usage.cpuMs - watch.cpuMs);
    const share = spentMs / Math.max(1, now - watch.at);
    watch.cpuMs = usage.cpuMs;
    watch.at = now;
    watch.busySince = share >= BUSY_CPU_SHARE ? (watch.busySince ?? now) : undefined;
    if (watch.condemned !== undefined && now >= watch.condemned.at) return instance.end(watch.condemned.error);
    const broken = overLoading(instance, watch, spentMs) ?? overDoubt(instance, watch, spentMs, now);
    if (broken !== undefined) return instance.end(broken);
    const shares = new Set([...instance.invocations].filter(({ meter }) => !meter.quiet));
    const each = spentMs / (shares.size || instance.invocations.size);
    for (const invocation of [...instance.invocations]) {
      invocation.watchCaller();
      if (shares.size === 0 || shares.has(invocation)) invocation.meter.cpuMs += each;
      invocation.meter.settle();
      invocation.meter.memoryBytes = Math.max(invocation.meter.memoryBytes, usage.memoryBytes);
      const error = struck(invocation, now);
      if (error !== undefined) invocation.breakBy(error);
    }
    if (!instance.alive) return;
    if (usage.memoryBytes > watch.limits.memoryBytes) {
      return instance.end(limitError("memory_limit", "memoryBytes", watch.limits));
    }
    if (share > IDLE_CPU_SHARE && !instance.isProgram) this.#prove(instance, watch, usage.cpuMs);
  }

  /** An event loop that does not turn while it burns more than one invocation may is stuck. */
  #prove(instance: Instance, watch: Watch, cpuMs: number): void {
    if (watch.pingCpuMs === undefined) {
      watch.pingCpuMs = cpuMs;
      instance.ping().then(() => {
        watch.pingCpuMs = undefined;
      });
    } else if (cpuMs - watch.pingCpuMs > watch.limits.cpuMs) {
      instance.end(limitError("cpu_limit", "cpuMs", watch.limits));
    }
  }

  #lookAtIdle(): void {
    const now = this.#clock.now();
    for (const [instance, watch] of this.#watches) {
      if (instance.invocations.size > 0 || instance.loading || !instance.alive) continue;
      const usage = instance.usage();
      if (usage === undefined) continue;
      const share = (usage.cpuMs - watch.cpuMs) / Math.max(1, now - watch.at);
      const before = watch.at;
      watch.cpuMs = usage.cpuMs;
      watch.at = now;
      if (usage.memoryBytes > watch.limits.memoryBytes) {
        instance.end(limitError("memory_limit", "memoryBytes", watch.limits));
      } else if (share > IDLE_CPU_SHARE && now - before >= IDLE_MS / 2 && now - instance.idleSince > IDLE_MS) {
        instance.end(
          new IsopodError("cpu_limit", { message: "The instance used processor time without an invocation." }),
        );
      }
    }
  }
}

function isQuiet(instance: Instance, watch: Watch): boolean {
  return instance.invocations.size === 0 && watch.condemned === undefined && !instance.loading && !instance.suspect;
}

/** Evaluating a function's program is nobody's invocation, and may use what one may. */
function overLoading(instance: Instance, watch: Watch, spentMs: number): IsopodError | undefined {
  if (!instance.loading) return undefined;
  watch.loadCpuMs += spentMs;
  return watch.loadCpuMs > watch.limits.cpuMs ? limitError("cpu_limit", "cpuMs", watch.limits) : undefined;
}

/** Whether an instance whose caller has hung up has shown for too long that it is stuck. */
function overDoubt(instance: Instance, watch: Watch, spentMs: number, now: number): IsopodError | undefined {
  if (!instance.suspect) watch.doubt = undefined;
  const { doubt } = watch;
  if (doubt === undefined) return undefined;
  doubt.cpuLeftMs -= spentMs;
  if (now >= doubt.wallAt) return limitError("wall_limit", "wallMs", doubt.limits);
  const alone = instance.invocations.size === 0 && now - doubt.since >= PROOF_MS;
  return alone || doubt.cpuLeftMs < 0 ? limitError("cpu_limit", "cpuMs", doubt.limits) : undefined;
}

/** The limit that `invocation` has reached by now, as an error. */
function struck(invocation: RunningInvocation, now: number): IsopodError | undefined {
  const { limits, wallFrom, cpuFromMs, cpuMs } = invocation.meter;
  if (now - wallFrom >= limits.wallMs) return limitError("wall_limit", "wallMs", limits);
  if (cpuMs - cpuFromMs > limits.cpuMs) return limitError("cpu_limit", "cpuMs", limits);
  return undefined;
}

/** Memory of an idle instance above this share of its limit makes it due for replacement. */
export const RECYCLE_MEMORY_SHARE = 0.75;

/** The default limit on memory, in bytes; what an instance is counted with before it has a program. */
export const INSTANCE_BYTES = LIMIT_RULES.memoryBytes.default;
