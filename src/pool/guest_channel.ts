/**
 * The channel to one guest: frames over its process's pipes, and who gets what comes in.
 *
 * Everything that the guest sends is checked here or below; the first thing that no correct guest sends ends the
 * instance. What an instance is given, and when it must end, is not decided here.
 */
import { IsopodError } from "../core/errors.ts";
import { Connection } from "../wire/connection.ts";
import { FRAME, type FrameType, HOST_ACCEPTS } from "../wire/frame.ts";
import type { StreamEvents, WireStream } from "../wire/stream.ts";
import { attribute, candidates, invocationOf } from "./attribution.ts";
import { acceptCall } from "./binding_calls.ts";
import { Handshake, type InstanceLoad } from "./handshake.ts";
import { declarationsOf } from "./held_bindings.ts";
import { InstanceLog } from "./instance_log.ts";
import type { RunningInvocation } from "./invocation.ts";
import type { InstanceOptions } from "./options.ts";
import { OutputReader } from "./output_reader.ts";

/** A guest must say hello within this time, in milliseconds. */
const HELLO_MS = 10_000;

/** Whose guest it is. */
export interface ChannelOwner {
  readonly id: number;
  readonly alive: boolean;
  readonly invocations: ReadonlySet<RunningInvocation>;
  /** When the invocation ends at the latest, in milliseconds since 1970. */
  deadlineOf(invocation: RunningInvocation): number;
  /** Ends the instance: its guest has not kept to the protocol. */
  end(reason: IsopodError): void;
}

/** The host's end of the channel. */
export class GuestChannel {
  /** For streams to be opened on; what comes in is the channel's. */
  readonly connection: Connection;
  readonly #options: InstanceOptions;
  readonly #owner: ChannelOwner;
  readonly #handshake: Handshake;
  readonly #reader: OutputReader;
  readonly #log: InstanceLog;
  #load: InstanceLoad | undefined;
  #pongs: (() => void)[] = [];
  /** Nothing but the log is of use any more. */
  #isListening = false;

  constructor(options: InstanceOptions, owner: ChannelOwner) {
    this.#options = options;
    this.#owner = owner;
    this.connection = new Connection({
      side: "host",
      accepts: HOST_ACCEPTS,
      events: {
        frame: (type, id, payload) => this.#frame(type, id, payload),
        open: (stream, head) => this.#openCall(stream, head),
      },
      write: (bytes) => options.process.write(bytes),
      defer: setImmediate,
      flushBytes: options.process.flushBytes,
    });
    this.#handshake = new Handshake(this.connection);
    this.#log = new InstanceLog((line) => options.report(line, this.#fields()));
    options.process.stray = (text) => this.#log.stray(text, attribute(owner.invocations, 0));
    this.#reader = new OutputReader({
      alive: () => owner.alive || this.#isListening,
      uncreditedBytes: () => this.#uncreditedBytes(),
      receive: (chunk) => this.connection.receive(chunk),
      pause: () => options.process.pause(),
      resume: () => options.process.resume(),
    });
  }

  /** The guest has been given a function and has not said that it is loaded. */
  get loading(): boolean {
    return this.#handshake.loading;
  }

  /** Closes the guest down and waits until it says so. @throws {IsopodError} `start_failed` */
  async prepare(): Promise<void> {
    const said = this.#handshake.hello(this.#options.process.hello);
    const cancel = this.#options.clock.after(HELLO_MS, () =>
      this.#owner.end(new IsopodError("start_failed", { cause: "no hello in time" })),
    );
    try {
      await said;
    } finally {
      cancel();
    }
  }

  /** Hands the program over. A function's promise waits until it is evaluated; a program's does not wait. */
  load(load: InstanceLoad): Promise<void> {
    this.#load = load;
    return this.#handshake.load(load, declarationsOf(load.grants.bindings, this.#options.bindings.byType));
  }

  /** Resolves when the guest's event loop has turned; a stuck one never does. */
  ping(): Promise<void> {
    return new Promise((resolve) => {
      this.#pongs.push(resolve);
      this.connection.sendBytes(FRAME.ping, 0);
      this.connection.flush();
    });
  }

  /** Somebody has read what he was waiting for. */
  relieved(): void {
    this.#reader.relieved();
  }

  /** Reads until the guest's output is over. */
  read(): void {
    const { process } = this.#options;
    process.read({
      data: (chunk) => this.#take(chunk),
      // Whatever the process still does, it can tell nobody.
      end: () => {
        process.kill();
        if (this.#isListening) this.close();
      },
    });
  }

  #take(chunk: Uint8Array): void {
    try {
      this.#reader.data(chunk);
    } catch (error) {
      if (this.#isListening) this.#options.process.kill();
      this.#owner.end(new IsopodError("protocol_error", { cause: error }));
    }
  }

  /** The program is not to be waited for any more. */
  fail(reason: IsopodError): void {
    this.#handshake.fail(reason);
  }

  /** Closes the channel; while its guest ends in good order, what it writes to its log is taken, and nothing else. */
  close(isFinishing = false): void {
    this.#isListening = isFinishing;
    if (!isFinishing) this.connection.close();
    this.#reader.release();
  }

  /** The most that waits for its reader without credit: a program's output, which is under the pipe's back-pressure. */
  #uncreditedBytes(): number {
    if (this.#load?.mode !== "program") return 0;
    let most = 0;
    for (const invocation of this.#owner.invocations) most = Math.max(most, invocation.waitingBytes);
    return most;
  }

  #frame(type: FrameType, id: number, payload: Uint8Array): void {
    const { invocations } = this.#owner;
    if (type === FRAME.log) return this.#log.receive(payload, attribute(invocations, id));
    if (this.#isListening) return;
    if (type === FRAME.ready && id !== 0) return invocationOf(invocations, id)?.workFinished(payload);
    const pong = type === FRAME.pong ? this.#pongs.shift() : undefined;
    if (pong !== undefined) return pong();
    this.#handshake.receive(type, payload);
  }

  #fields(): Record<string, unknown> {
    return { function: this.#load?.fn?.name, version: this.#load?.fn?.version, instance: this.#owner.id };
  }

  #openCall(stream: WireStream, head: Uint8Array): StreamEvents | undefined {
    const load = this.#load;
    if (load === undefined) throw new IsopodError("protocol_error", { cause: "a call before the load" });
    const host = {
      bindings: this.#options.bindings,
      grants: load.grants,
      project: load.project,
      functionName: load.fn?.name,
      candidates: (id: number) => candidates(this.#owner.invocations, id),
      deadlineOf: (invocation: RunningInvocation) => this.#owner.deadlineOf(invocation),
      report: (error: IsopodError) =>
        this.#options.report({ level: "error", text: error.message }, { cause: String(error.details.cause) }),
    };
    return acceptCall(host, stream, head);
  }
}
