/**
 * One running instance, as the host speaks with it: hello, load, invocations, calls of bindings, its end.
 *
 * Everything that the guest sends is checked here or below; the first thing that no correct guest sends ends the
 * instance, and only this instance. Whoever waits for one of its invocations hears why.
 */
import type { Binding } from "../core/binding.ts";
import type { Clock } from "../core/clock.ts";
import type { GuestProcess, Usage } from "../core/engine.ts";
import { IsopodError } from "../core/errors.ts";
import type { LogLine } from "../core/invocation.ts";
import { Connection } from "../wire/connection.ts";
import { FRAME, type FrameType, HOST_ACCEPTS } from "../wire/frame.ts";
import type { StreamEvents, WireStream } from "../wire/stream.ts";
import { attribute, invocationOf } from "./attribution.ts";
import { acceptCall } from "./binding_calls.ts";
import { Handshake, type InstanceLoad } from "./handshake.ts";
import { InstanceLog } from "./instance_log.ts";
import type { RunningInvocation } from "./invocation.ts";
import { requestHead } from "./invocation_heads.ts";
import { OutputReader } from "./output_reader.ts";
import { deathError } from "./process_death.ts";

/** What an instance is made of. */
export interface InstanceOptions {
  readonly process: GuestProcess;
  readonly clock: Clock;
  readonly bindings: ReadonlyMap<string, Binding>;
  /** A line that the log should have: of the instance, or of an invocation that has no observer. */
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}

/** Who gives an instance its work. */
export interface InstanceScheduler {
  /** An invocation is over. */
  finished(instance: Instance, invocation: RunningInvocation): void;
  /** A limit was broken: the instance must not be given more, and must end. */
  broke(instance: Instance, error: IsopodError): void;
}

/** A guest must say hello within this time, in milliseconds. */
const HELLO_MS = 10_000;

/** The cgroup's bound is above the limit: it also counts pipes and page tables; polling holds to the limit itself. */
const CGROUP_SLACK_BYTES = 32 * 1024 * 1024;

let nextId = 1;

/** One instance. */
export class Instance {
  readonly id = nextId++;
  readonly process: GuestProcess;
  readonly invocations = new Set<RunningInvocation>();
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
  readonly #connection: Connection;
  readonly #handshake: Handshake;
  readonly #reader: OutputReader;
  readonly #log: InstanceLog;
  #load: InstanceLoad | undefined;
  #end: IsopodError | undefined;
  #pongs: (() => void)[] = [];
  #bootCpuMs = 0;
  /** The limit of its program; undefined until it has one. */
  #memoryBytesMax: number | undefined;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.process = options.process;
    this.startedAt = options.clock.now();
    this.idleSince = this.startedAt;
    this.#connection = new Connection({
      side: "host",
      accepts: HOST_ACCEPTS,
      events: {
        frame: (type, id, payload) => this.#frame(type, id, payload),
        open: (s, head) => this.#openCall(s, head),
      },
      write: (bytes) => options.process.write(bytes),
      defer: setImmediate,
    });
    this.#handshake = new Handshake(this.#connection);
    this.#reader = new OutputReader(this);
    this.#log = new InstanceLog((line) => options.report(line, this.#fields()));
    this.ended = this.#watch();
    this.#read();
  }

  /** Whether it runs a program that came with its request, for which it was started. */
  get isProgram(): boolean {
    return this.#load?.mode === "program";
  }

  /** Whether it can be given work. */
  get alive(): boolean {
    return this.#end === undefined;
  }

  /** It has been given a function and has not said that it is loaded. */
  get loading(): boolean {
    return this.#handshake.loading;
  }

  /** What it uses now. */
  usage(): Usage | undefined {
    const usage = this.process.usage();
    this.memoryBytes = usage?.memoryBytes ?? this.memoryBytes;
    return usage;
  }

  /** Closes the guest down and waits until it says so. @throws {IsopodError} `start_failed` */
  async prepare(): Promise<void> {
    const said = this.#handshake.hello(this.process.hello);
    const cancel = this.#options.clock.after(HELLO_MS, () =>
      this.end(new IsopodError("start_failed", { cause: "no hello in time" })),
    );
    try {
      await said;
      this.#bootCpuMs = this.usage()?.cpuMs ?? 0;
    } finally {
      cancel();
    }
  }

  /** Hands the program over, once. A function's promise waits until it is evaluated; a program's does not wait. */
  load(load: InstanceLoad, memoryBytes: number): Promise<void> {
    this.#load = load;
    this.#memoryBytesMax = memoryBytes;
    this.startedAt = this.now();
    this.idleSince = this.startedAt;
    this.process.limitMemory(memoryBytes + CGROUP_SLACK_BYTES);
    return this.#handshake.load(load);
  }

  /** Hands an invocation over. One that comes too late, to an instance that has ended, fails as the others did. */
  invoke(invocation: RunningInvocation): void {
    this.invoked += 1;
    this.invocations.add(invocation);
    const head = JSON.stringify(requestHead(invocation.request, this.deadlineOf(invocation)));
    const stream = this.#connection.open(head, invocation, this.#load?.mode === "program" ? "pipe" : "credit");
    invocation.begin(stream);
    if (this.#end !== undefined) invocation.fail(this.#end);
  }

  /** Resolves when the guest's event loop has turned; a stuck one never does. */
  ping(): Promise<void> {
    return new Promise((resolve) => {
      this.#pongs.push(resolve);
      this.#connection.sendBytes(FRAME.ping, 0);
      this.#connection.flush();
    });
  }

  /** Ends it at once; `reason` is what its invocations are told. */
  end(reason: IsopodError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.process.kill();
    this.#handshake.fail(reason);
    for (const invocation of [...this.invocations]) invocation.fail(reason);
    this.#connection.close();
    this.#reader.release();
  }

  now(): number {
    return this.#options.clock.now();
  }

  deadlineOf(invocation: RunningInvocation): number {
    const { limits, startedAt } = invocation.meter;
    return Math.round(this.#options.clock.wallNow() - this.now() + startedAt + limits.wallMs);
  }

  finished(invocation: RunningInvocation, error: IsopodError | undefined): void {
    if (this.#load?.mode === "program") this.#chargeAll(invocation);
    this.invocations.delete(invocation);
    this.idleSince = this.now();
    if (error?.code === "client_gone" && this.#load?.mode === "function") this.#suspect(invocation);
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
    this.#reader.relieved();
  }

  get uncreditedBytes(): number {
    if (this.#load?.mode !== "program") return 0;
    let most = 0;
    for (const invocation of this.invocations) most = Math.max(most, invocation.waitingBytes);
    return most;
  }

  receive(chunk: Uint8Array): void {
    this.#connection.receive(chunk);
  }

  async #read(): Promise<void> {
    try {
      await this.#reader.read(this.process.output);
    } catch (error) {
      this.end(new IsopodError("protocol_error", { cause: error }));
    }
    // The output is over: whatever the process still does, it can tell nobody.
    this.process.kill();
  }

  async #watch(): Promise<IsopodError> {
    const end = await this.process.exited;
    const asked = this.#end;
    const error = asked ?? deathError(end, this.#memoryBytesMax);
    this.end(error);
    if (asked === undefined && this.#load === undefined) {
      const { code, stderr } = end;
      this.#options.report({ level: "error", text: "A prewarmed instance ended by itself" }, { code, stderr });
    }
    return error;
  }

  #frame(type: FrameType, id: number, payload: Uint8Array): void {
    if (type === FRAME.log) return this.#log.receive(payload, attribute(this.invocations, id));
    if (type === FRAME.ready && id !== 0) return invocationOf(this.invocations, id)?.workFinished();
    const pong = type === FRAME.pong ? this.#pongs.shift() : undefined;
    if (pong !== undefined) return pong();
    this.#handshake.receive(type, payload);
  }

  #fields(): Record<string, unknown> {
    return { function: this.#load?.fn?.name, version: this.#load?.fn?.version, instance: this.id };
  }

  #openCall(stream: WireStream, head: Uint8Array): StreamEvents | undefined {
    const load = this.#load;
    if (load === undefined) throw new IsopodError("protocol_error", { cause: "a call before the load" });
    const host = {
      bindings: this.#options.bindings,
      grants: load.grants,
      functionName: load.fn?.name,
      invocation: (id: number) => attribute(this.invocations, id),
      deadlineOf: (invocation: RunningInvocation) => this.deadlineOf(invocation),
      report: (error: IsopodError) =>
        this.#options.report({ level: "error", text: error.message }, { cause: String(error.details.cause) }),
    };
    return acceptCall(host, stream, head);
  }
}
