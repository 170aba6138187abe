/**
 * One running instance, as the pool knows it: its state, the invocations that it has, what they are charged, its end.
 *
 * What is said to its guest and what the guest says goes over its `GuestChannel`. Whatever ends an instance ends only
 * this one, and whoever waits for one of its invocations hears why.
 */
import type { GuestProcess, Usage } from "../core/engine.ts";
import type { IsopodError } from "../core/errors.ts";
import type { Connection } from "../wire/connection.ts";
import { AnswerHeads } from "./answer_heads.ts";
import { GuestChannel } from "./guest_channel.ts";
import { endsInstance } from "./guest_error.ts";
import type { InstanceLoad } from "./handshake.ts";
import type { RunningInvocation } from "./invocation.ts";
import { requestHead } from "./invocation_heads.ts";
import type { InstanceOptions } from "./options.ts";
import { deathError, FINISH_MS } from "./process_death.ts";

/** Who gives an instance its work. */
export interface InstanceScheduler {
  /** An invocation is over. */
  finished(instance: Instance, invocation: RunningInvocation): void;
  /** A limit was broken: the instance must not be given more, and must end. */
  broke(instance: Instance, error: IsopodError): void;
}

/** The cgroup's bound is above the limit: it also counts pipes and page tables; polling holds to the limit itself. */
const CGROUP_SLACK_BYTES = 32 * 1024 * 1024;

let nextId = 1;

/** One instance. */
export class Instance {
  readonly id = nextId++;
  readonly process: GuestProcess;
  readonly invocations = new Set<RunningInvocation>();
  readonly heads = new AnswerHeads();
  /** Since when it has been what it is: its start, and once it has a program, when it was given that. */
  startedAt: number;
  /** When it last had an invocation. */
  idleSince: number;
  /** Memory when it was last looked at, in bytes. */
  memoryBytes = 0;
  /** Invocations that it has been given. */
  invoked = 0;
  /** A limit was broken in it: it is given nothing more. */
  broken = false;
  /** It may be stuck in something that its caller has given up: it is given nothing until its event loop turns. */
  suspect = false;
  /** Set by who gives it work. */
  scheduler: InstanceScheduler | undefined;
  /** Settles when its process is gone, with the reason; never rejects. */
  readonly ended: Promise<IsopodError>;
  readonly #options: InstanceOptions;
  readonly #channel: GuestChannel;
  /** The channel's, at hand for each invocation. */
  readonly #connection: Connection;
  #mode: InstanceLoad["mode"] | undefined;
  #end: IsopodError | undefined;
  #bootCpuMs = 0;
  /** Its guest has something to end in good order. */
  #finishes = false;
  /** The limit of its program; undefined until it has one. */
  #memoryBytesMax: number | undefined;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.process = options.process;
    this.startedAt = options.clock.now();
    this.idleSince = this.startedAt;
    this.#channel = new GuestChannel(options, this);
    this.#connection = this.#channel.connection;
    this.ended = this.#watch();
    this.#channel.read();
  }

  /** Whether it runs a program that came with its request, for which it was started. */
  get isProgram(): boolean {
    return this.#mode === "program";
  }

  /** Whether it can be given work. */
  get alive(): boolean {
    return this.#end === undefined;
  }
  /** It has been given a function and has not said that it is loaded. */
  get loading(): boolean {
    return this.#channel.loading;
  }

  /** What it uses now. */
  usage(): Usage | undefined {
    const usage = this.process.usage();
    this.memoryBytes = usage?.memoryBytes ?? this.memoryBytes;
    return usage;
  }

  /** Closes the guest down and waits until it says so. @throws {IsopodError} `start_failed` */
  async prepare(): Promise<void> {
    await this.#channel.prepare();
    this.#bootCpuMs = this.usage()?.cpuMs ?? 0;
  }

  /** Hands the program over, once. A function's promise waits until it is evaluated; a program's does not wait. */
  load(load: InstanceLoad, memoryBytes: number): Promise<void> {
    this.#mode = load.mode;
    this.#memoryBytesMax = memoryBytes;
    const { program } = load;
    this.#finishes = this.process.finish !== undefined && program.kind === "process" && program.layers.length > 0;
    this.startedAt = this.now();
    this.idleSince = this.startedAt;
    this.process.limitMemory(memoryBytes + CGROUP_SLACK_BYTES);
    return this.#channel.load(load);
  }

  /** Hands an invocation over. One that comes too late, to an instance that has ended, fails as the others did. */
  invoke(invocation: RunningInvocation): void {
    this.invoked += 1;
    this.invocations.add(invocation);
    const head = JSON.stringify(requestHead(invocation.request, this.deadlineOf(invocation)));
    const stream = this.#connection.open(head, invocation, this.#mode === "program" ? "pipe" : "credit");
    invocation.begin(stream);
    if (this.#end !== undefined) invocation.fail(this.#end);
  }

  /** Resolves when the guest's event loop has turned; a stuck one never does. */
  ping(): Promise<void> {
    return this.#channel.ping();
  }

  /** Ends it at once; `reason` is what its invocations are told. */
  end(reason: IsopodError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    const finishes = this.#finishes && reason.code === "draining" && this.invocations.size === 0 && !this.broken;
    if (finishes) this.process.finish?.(FINISH_MS);
    else this.process.kill();
    this.#channel.fail(reason);
    for (const invocation of [...this.invocations]) invocation.fail(reason);
    this.#channel.close(finishes);
  }

  now(): number {
    return this.#options.clock.now();
  }

  deadlineOf({ meter }: RunningInvocation): number {
    return Math.round(this.#options.clock.wallNow() - this.now() + meter.startedAt + meter.limits.wallMs);
  }

  finished(invocation: RunningInvocation, error: IsopodError | undefined): void {
    if (this.#mode === "program") this.#chargeAll(invocation);
    this.invocations.delete(invocation);
    this.idleSince = this.now();
    this.broken ||= error !== undefined && endsInstance(error);
    if (error?.code === "client_gone" && this.#mode === "function") this.#suspect(invocation);
    this.scheduler?.finished(this, invocation);
  }

  /** A program that breaks a limit cannot be trusted to stop by itself: its instance must not go on as it is. */
  broke(invocation: RunningInvocation, error: IsopodError): void {
    // First, so that nobody who waits is given this instance when the invocation makes room.
    this.broken = true;
    invocation.fail(error);
    this.scheduler?.broke(this, error);
  }

  /** Its handler was told, and may go on regardless: until the event loop turns, nobody else should wait for it. */
  #suspect(invocation: RunningInvocation): void {
    this.suspect = true;
    this.ping().then(() => {
      this.suspect = false;
      this.scheduler?.finished(this, invocation);
    });
  }

  /** A program has its instance for itself: what the instance has used since its boot, the program has. */
  #chargeAll(invocation: RunningInvocation): void {
    const usage = this.usage();
    if (usage === undefined) return;
    invocation.meter.cpuMs = usage.cpuMs - this.#bootCpuMs;
    invocation.meter.memoryBytes = Math.max(invocation.meter.memoryBytes, usage.memoryBytes);
  }

  relieved(): void {
    this.#channel.relieved();
  }

  async #watch(): Promise<IsopodError> {
    const end = await this.process.exited;
    const asked = this.#end;
    const error = asked ?? deathError(end, this.#memoryBytesMax);
    this.end(error);
    if (asked === undefined && this.#mode === undefined) {
      const { code, stderr } = end;
      this.#options.report({ level: "error", text: "A prewarmed instance ended by itself" }, { code, stderr });
    }
    return error;
  }
}
