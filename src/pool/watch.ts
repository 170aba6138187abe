/**
 * What the supervisor has seen of one instance, and what it concludes: go on, end an invocation, end the instance.
 *
 * An instance with many invocations shares its processor time equally among them, but for WebSockets on which nothing
 * happened; one whose event loop does not turn while it burns time is stuck, and ends as a whole. When to look is the
 * supervisor's business.
 */
import { IsopodError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import { limitError, type Meter } from "./figures.ts";
import type { Instance } from "./instance.ts";
import type { RunningInvocation } from "./invocation.ts";

/** Idle instances are looked at this often, in milliseconds. */
export const IDLE_MS = 1000;

/** An instance that uses more of a core than this without an invocation is ended. */
const IDLE_CPU_SHARE = 0.5;

/** An instance above this share of a core has work for another one. */
const BUSY_CPU_SHARE = 0.8;

/** How long an instance in which a limit was broken may take to show that its event loop turns, in milliseconds. */
const PROOF_MS = 120;

/** What an invocation that nobody waits for any more may still use in an instance that does not answer. */
interface Doubt {
  readonly since: number;
  readonly limits: Limits;
  readonly wallAt: number;
  cpuLeftMs: number;
}

/** The watch of one instance. */
export class Watch {
  readonly #instance: Instance;
  readonly #limits: Limits;
  #cpuMs: number;
  #at: number;
  /** Processor time at which a ping was sent that is not answered yet. */
  #pingCpuMs: number | undefined;
  #busySince: number | undefined;
  /** Processor time that evaluating its program has taken, in milliseconds. */
  #loadCpuMs = 0;
  /** Its caller has hung up, and its event loop has not turned since. */
  #doubt: Doubt | undefined;
  /** It has broken a limit: it must answer a ping by this time, or end. */
  #condemned: { readonly at: number; readonly error: IsopodError } | undefined;

  constructor(instance: Instance, limits: Limits, now: number) {
    this.#instance = instance;
    this.#limits = limits;
    this.#cpuMs = instance.usage()?.cpuMs ?? 0;
    this.#at = now;
  }

  /** Whether nothing goes on in it that must be looked at often. */
  get quiet(): boolean {
    const { alive, invocations, loading, suspect } = this.#instance;
    return !alive || (invocations.size === 0 && this.#condemned === undefined && !loading && !suspect);
  }

  /** Since when it has been using a whole core, in the clock's time; undefined when it is not. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  /** A limit was broken in it: it ends soon unless its event loop turns. */
  condemn(error: IsopodError, now: number): void {
    if (this.#condemned !== undefined) return;
    this.#condemned = { at: now + PROOF_MS, error };
    this.#instance.ping().then(() => {
      this.#condemned = undefined;
    });
    this.#instance.process.interrupt?.();
  }

  /** A caller has hung up: its invocation may burn no more than it could have, and alone nothing at all. */
  doubt({ limits, startedAt, cpuMs }: Meter, now: number): void {
    this.#doubt ??= { since: now, limits, wallAt: startedAt + limits.wallMs, cpuLeftMs: limits.cpuMs - cpuMs };
  }

  /** Looks at an instance that is not quiet. */
  look(now: number): void {
    const instance = this.#instance;
    const usage = instance.usage();
    if (usage === undefined) return;
    const spentMs = Math.max(0, usage.cpuMs - this.#cpuMs);
    const share = spentMs / Math.max(1, now - this.#at);
    this.#cpuMs = usage.cpuMs;
    this.#at = now;
    this.#busySince = share >= BUSY_CPU_SHARE ? (this.#busySince ?? now) : undefined;
    if (this.#condemned !== undefined && now >= this.#condemned.at) return instance.end(this.#condemned.error);
    const broken = this.#overLoading(spentMs) ?? this.#overDoubt(spentMs, now);
    if (broken !== undefined) return instance.end(broken);
    this.#charge(spentMs, usage.memoryBytes, now);
    if (!instance.alive) return;
    if (usage.memoryBytes > this.#limits.memoryBytes) {
      return instance.end(limitError("memory_limit", "memoryBytes", this.#limits));
    }
    if (share > IDLE_CPU_SHARE && !instance.isProgram) this.#prove(usage.cpuMs);
  }

  /** Looks at an instance between invocations. */
  lookIdle(now: number): void {
    const instance = this.#instance;
    if (instance.invocations.size > 0 || instance.loading || !instance.alive) return;
    const usage = instance.usage();
    if (usage === undefined) return;
    const share = (usage.cpuMs - this.#cpuMs) / Math.max(1, now - this.#at);
    const before = this.#at;
    this.#cpuMs = usage.cpuMs;
    this.#at = now;
    if (usage.memoryBytes > this.#limits.memoryBytes) {
      instance.end(limitError("memory_limit", "memoryBytes", this.#limits));
    } else if (share > IDLE_CPU_SHARE && now - before >= IDLE_MS / 2 && now - instance.idleSince > IDLE_MS) {
      instance.end(
        new IsopodError("cpu_limit", { message: "The instance used processor time without an invocation." }),
      );
    }
  }

  /** Charges its invocations with what it has used, and ends those that reach a limit. */
  #charge(spentMs: number, memoryBytes: number, now: number): void {
    const { invocations } = this.#instance;
    const shares = new Set([...invocations].filter(({ meter }) => !meter.quiet));
    const each = spentMs / (shares.size || invocations.size);
    for (const invocation of [...invocations]) {
      invocation.watchCaller();
      if (shares.size === 0 || shares.has(invocation)) invocation.meter.cpuMs += each;
      invocation.meter.settle();
      invocation.meter.memoryBytes = Math.max(invocation.meter.memoryBytes, memoryBytes);
      const error = struck(invocation, now);
      if (error !== undefined) invocation.breakBy(error);
    }
  }

  /** An event loop that does not turn while it burns more than one invocation may is stuck. */
  #prove(cpuMs: number): void {
    if (this.#pingCpuMs === undefined) {
      this.#pingCpuMs = cpuMs;
      this.#instance.ping().then(() => {
        this.#pingCpuMs = undefined;
      });
    } else if (cpuMs - this.#pingCpuMs > this.#limits.cpuMs) {
      this.#instance.end(limitError("cpu_limit", "cpuMs", this.#limits));
    }
  }

  /** Evaluating a function's program is nobody's invocation, and may use what one may. */
  #overLoading(spentMs: number): IsopodError | undefined {
    if (!this.#instance.loading) return undefined;
    this.#loadCpuMs += spentMs;
    return this.#loadCpuMs > this.#limits.cpuMs ? limitError("cpu_limit", "cpuMs", this.#limits) : undefined;
  }

  /** Whether an instance whose caller has hung up has shown for too long that it is stuck. */
  #overDoubt(spentMs: number, now: number): IsopodError | undefined {
    if (!this.#instance.suspect) this.#doubt = undefined;
    const doubt = this.#doubt;
    if (doubt === undefined) return undefined;
    doubt.cpuLeftMs -= spentMs;
    if (now >= doubt.wallAt) return limitError("wall_limit", "wallMs", doubt.limits);
    const alone = this.#instance.invocations.size === 0 && now - doubt.since >= PROOF_MS;
    return alone || doubt.cpuLeftMs < 0 ? limitError("cpu_limit", "cpuMs", doubt.limits) : undefined;
  }
}

/** The limit that `invocation` has reached by now, as an error. */
function struck(invocation: RunningInvocation, now: number): IsopodError | undefined {
  const { limits, wallFrom, cpuFromMs, cpuMs } = invocation.meter;
  if (now - wallFrom >= limits.wallMs) return limitError("wall_limit", "wallMs", limits);
  if (cpuMs - cpuFromMs > limits.cpuMs) return limitError("cpu_limit", "cpuMs", limits);
  return undefined;
}
