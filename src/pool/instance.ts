/**
 * One running instance, as the host speaks with it: hello, load, invocations, calls of bindings, its end.
 *
 * Everything that the guest sends is checked here or below; the first thing that no correct guest sends ends the
 * instance, and only this instance. Whoever waits for one of its invocations hears why.
 */
import type { Binding, Grants } from "../core/binding.ts";
import type { Clock } from "../core/clock.ts";
import type { GuestProcess, Usage } from "../core/engine.ts";
import { type ErrorCode, IsopodError } from "../core/errors.ts";
import type { Program } from "../core/function.ts";
import type { LogLine } from "../core/invocation.ts";
import { DEFAULT_LIMITS } from "../core/limits.ts";
import { type Deferred, deferred } from "../stdx/deferred.ts";
import { Connection } from "../wire/connection.ts";
import { FRAME, type FrameType, HOST_ACCEPTS, WireError } from "../wire/frame.ts";
import { encodeParcel, type HelloParcel, type LoadParcel, parseJson, parseReset } from "../wire/heads.ts";
import type { StreamEvents, WireStream } from "../wire/stream.ts";
import { acceptCall } from "./binding_calls.ts";
import { limitError } from "./figures.ts";
import { errorFromGuest } from "./guest_error.ts";
import type { RunningInvocation } from "./invocation.ts";
import { requestHead } from "./invocation_heads.ts";

/** What an instance is made of. */
export interface InstanceOptions {
  readonly process: GuestProcess;
  readonly clock: Clock;
  readonly bindings: ReadonlyMap<string, Binding>;
  /** A line that the log should have: of the instance, or of an invocation that has no observer. */
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}

/** What an instance is told to become. */
export interface InstanceLoad {
  readonly mode: LoadParcel["mode"];
  readonly program: Program;
  readonly env: Readonly<Record<string, string>>;
  readonly grants: Grants;
  readonly fn?: { readonly name: string; readonly version: string } | undefined;
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

/** Unread output of a program at which its pipe is no longer read. */
const BACKLOG_BYTES_MAX = 1024 * 1024;

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
  /** It has been given a function and has not said that it is loaded. */
  loading = false;
  /** Set by who gives it work. */
  scheduler: InstanceScheduler | undefined;
  /** Settles when its process is gone, with the reason; never rejects. */
  readonly ended: Promise<IsopodError>;
  readonly #options: InstanceOptions;
  readonly #connection: Connection;
  readonly #hello: Deferred<void> = deferred();
  readonly #loaded: Deferred<void> = deferred();
  #load: InstanceLoad | undefined;
  #end: IsopodError | undefined;
  #pongs: (() => void)[] = [];
  /** The one frame of the connection's own that the guest has yet to send. */
  #awaited: FrameType | undefined;
  #relief: (() => void) | undefined;
  #bootCpuMs = 0;
  #memoryBytesMax = 0;

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

  /** What it uses now. */
  usage(): Usage | undefined {
    const usage = this.process.usage();
    this.memoryBytes = usage?.memoryBytes ?? this.memoryBytes;
    return usage;
  }

  /** Closes the guest down and waits until it says so. @throws {IsopodError} `start_failed` */
  async prepare(): Promise<void> {
    const { seal, ...hello } = this.process.hello;
    this.#awaited = FRAME.hello;
    this.#connection.sendBytes(FRAME.hello, 0, encodeParcel(hello satisfies HelloParcel, seal));
    this.#connection.flush();
    const cancel = this.#options.clock.after(HELLO_MS, () =>
      this.end(new IsopodError("start_failed", { cause: "no hello in time" })),
    );
    try {
      await this.#hello.promise;
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
    const { name, language, code } = load.program;
    const parcel: LoadParcel = { name, language, mode: load.mode, env: load.env, ...(load.fn && { fn: load.fn }) };
    this.#connection.sendBytes(FRAME.load, 0, encodeParcel(parcel, new TextEncoder().encode(code)));
    this.loading = load.mode === "function";
    this.#awaited = this.loading ? FRAME.ready : undefined;
    if (!this.loading) this.#loaded.resolve();
    return this.#loaded.promise;
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
    this.#hello.reject(reason);
    this.#loaded.reject(reason);
    for (const invocation of [...this.invocations]) invocation.fail(reason);
    this.#connection.close();
    this.#relief?.();
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
    if (this.#relief !== undefined && !this.#backlogged()) this.#relief();
  }

  #backlogged(): boolean {
    if (this.#load?.mode !== "program") return false;
    for (const invocation of this.invocations) if (invocation.waitingBytes > BACKLOG_BYTES_MAX) return true;
    return false;
  }

  /** Whether the guest may be waiting for us: output of it is not being read. */
  get paused(): boolean {
    return this.#relief !== undefined;
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of this.process.output) {
        if (!this.alive) return;
        this.#connection.receive(chunk);
        if (this.#backlogged()) {
          await new Promise<void>((resolve) => {
            this.#relief = resolve;
          });
          this.#relief = undefined;
        }
      }
    } catch (error) {
      this.end(new IsopodError("protocol_error", { cause: error }));
    }
    // The output is over: whatever the process still does, it can tell nobody.
    this.process.kill();
  }

  async #watch(): Promise<IsopodError> {
    const { code, outOfMemory, stderr } = await this.process.exited;
    const asked = this.#end;
    const error = asked ?? this.#deathError(code, outOfMemory || ALLOCATION_FAILED.test(stderr), stderr);
    this.end(error);
    if (asked === undefined && this.#load === undefined) {
      this.#options.report({ level: "error", text: "A prewarmed instance ended by itself" }, { code, stderr });
    }
    return error;
  }

  #deathError(code: number, outOfMemory: boolean, stderr: string): IsopodError {
    if (this.#load === undefined) return new IsopodError("start_failed", { cause: `exit code ${code}` });
    if (outOfMemory)
      return limitError("memory_limit", "memoryBytes", { ...DEFAULT_LIMITS, memoryBytes: this.#memoryBytesMax });
    const how = code > 128 ? `by signal ${code - 128}` : `with exit code ${code}`;
    return new IsopodError("program_ended", {
      message: `The program's process ended ${how} before it had answered.${EXHAUSTED.test(stderr) ? NONE_LEFT : ""}`,
    });
  }

  #frame(type: FrameType, id: number, payload: Uint8Array): void {
    if (type === FRAME.log) return this.#log(id, payload);
    if (type === FRAME.ready && id !== 0) return this.#find(id)?.workFinished();
    const pong = type === FRAME.pong ? this.#pongs.shift() : undefined;
    if (pong !== undefined) return pong();
    if (type !== this.#awaited) throw new WireError(`Cannot read frame of type ${type}: it is not awaited`);
    this.#awaited = undefined;
    if (type === FRAME.hello) return this.#hello.resolve();
    this.loading = false;
    const { error } = parseJson(payload) as { error?: unknown };
    if (error === undefined) return this.#loaded.resolve();
    this.#loaded.reject(errorFromGuest(parseReset(new TextEncoder().encode(JSON.stringify(error)))));
  }

  #log(id: number, payload: Uint8Array): void {
    // Without its level it would cost nothing under the limit.
    if (payload.length === 0) throw new WireError("Cannot read log: it is empty");
    const invocation = this.#attribute(id);
    const line: LogLine = {
      level: LEVELS[payload[0] as number] ?? "info",
      text: new TextDecoder().decode(payload.subarray(1)),
    };
    if (invocation === undefined) return this.#logOutside(line, payload.length);
    invocation.meter.logBytes += payload.length;
    const { limits, logBytes } = invocation.meter;
    if (logBytes > limits.logBytesMax) return invocation.breakBy(limitError("log_limit", "logBytesMax", limits));
    if (invocation.request.observer?.log !== undefined) invocation.request.observer.log(line);
  }

  /** Lines that belong to no invocation: of the top level, of timers. Bounded, and said to be when it strikes. */
  #logOutside(line: LogLine, bytes: number): void {
    this.#outsideBytes += bytes;
    if (this.#outsideBytes > OUTSIDE_LOG_BYTES_MAX) {
      if (this.#outsideBytes - bytes <= OUTSIDE_LOG_BYTES_MAX) {
        this.#options.report(
          { level: "warn", text: "Further lines outside of invocations are dropped" },
          this.#fields(),
        );
      }
      return;
    }
    this.#options.report(line, this.#fields());
  }

  #outsideBytes = 0;

  #fields(): Record<string, unknown> {
    return { function: this.#load?.fn?.name, version: this.#load?.fn?.version, instance: this.id };
  }

  #find(id: number): RunningInvocation | undefined {
    for (const invocation of this.invocations) if (invocation.streamId === id) return invocation;
    return undefined;
  }

  /** Whose a line or a call is. What a finished invocation does is nobody's: the guest said whose it was. */
  #attribute(id: number): RunningInvocation | undefined {
    return id === 0 ? this.#only() : this.#find(id);
  }

  #only(): RunningInvocation | undefined {
    if (this.invocations.size !== 1) return undefined;
    const [only] = this.invocations;
    return only;
  }

  #openCall(stream: WireStream, head: Uint8Array): StreamEvents | undefined {
    const load = this.#load;
    if (load === undefined) throw new IsopodError("protocol_error", { cause: "a call before the load" });
    const host = {
      bindings: this.#options.bindings,
      grants: load.grants,
      functionName: load.fn?.name,
      invocation: (id: number) => this.#attribute(id),
      deadlineOf: (invocation: RunningInvocation) => this.deadlineOf(invocation),
      report: (error: IsopodError) =>
        this.#options.report({ level: "error", text: error.message }, { cause: String(error.details.cause) }),
    };
    return acceptCall(host, stream, head);
  }
}

/** What Bun and its libraries say when RLIMIT_DATA, the bound where there is no cgroup, has refused them memory. */
const ALLOCATION_FAILED = /memory allocation of \d+ bytes failed|out of memory|oh no/i;

/** What they say when there is no file descriptor or thread left. */
const EXHAUSTED = /out of file descriptors|Resource temporarily unavailable/i;
const NONE_LEFT =
  " It had no file descriptor or thread left: a program has 64 of each, and a Web Worker takes several.";

/** The cgroup's bound is above the limit: it also counts pipes and page tables; polling holds to the limit itself. */
const CGROUP_SLACK_BYTES = 32 * 1024 * 1024;

/** Log bytes of one instance outside of invocations. */
const OUTSIDE_LOG_BYTES_MAX = 1024 * 1024;

const LEVELS: Readonly<Record<number, LogLine["level"]>> = { 100: "debug", 105: "info", 119: "warn", 101: "error" };

/** The codes for which an instance is ended without a word about it: nobody did anything wrong. */
export const QUIET_ENDS: ReadonlySet<ErrorCode> = new Set(["client_gone", "draining"]);
