/**
 * An engine without processes: its guests speak the wire's frames in memory and do what a test tells them, so that
 * the pool's decisions can be tested with a clock that stands still.
 */
import type { Engine, GuestProcess, GuestReader, ProcessEnd, Usage } from "../core/engine.ts";
import { deferred } from "../stdx/deferred.ts";
import { Connection } from "../wire/connection.ts";
import { FRAME, type FrameType, GUEST_ACCEPTS } from "../wire/frame.ts";
import { parseJson, type RequestHead } from "../wire/heads.ts";
import { decodeParcel, type LoadParcel } from "../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../wire/stream.ts";
import { FakeOutput } from "./fake_output.ts";

/** An invocation that a fake guest has been given. */
export interface FakeInvocation {
  readonly stream: WireStream;
  readonly head: RequestHead;
  /** The host has given it up. */
  reset: boolean;
}

/** A guest in memory. */
export class FakeGuest implements GuestProcess {
  stray: ((text: string) => void) | undefined;
  readonly pid: number;
  readonly layers: readonly string[] = [];
  readonly hello = { rlimits: [], dataBytes: 0, seal: new Uint8Array(0) };
  readonly connection: Connection;
  readonly invocations: FakeInvocation[] = [];
  load: LoadParcel | undefined;
  cpuMs = 0;
  memoryBytes = 1024 * 1024;
  /** The bound that its cgroup was given. */
  memoryBytesMax = 0;
  killed = false;
  readonly #exited = deferred<ProcessEnd>();
  readonly #engine: FakeEngine;
  readonly #output = new FakeOutput();
  #stuck = false;
  #unread: Uint8Array[] = [];

  constructor(pid: number, engine: FakeEngine) {
    this.pid = pid;
    this.#engine = engine;
    this.connection = new Connection({
      side: "guest",
      accepts: GUEST_ACCEPTS,
      events: {
        frame: (type, _id, payload) => this.#frame(type, payload),
        open: (stream, head) => this.#open(stream, head),
      },
      write: (bytes) => this.send(bytes.slice()),
      defer: queueMicrotask,
    });
  }

  get exited(): Promise<ProcessEnd> {
    return this.#exited.promise;
  }

  /** Whether it has ended, whoever ended it. */
  get over(): boolean {
    return this.#output.ended;
  }

  write(bytes: Uint8Array): void {
    if (this.over) return;
    if (this.#stuck) this.#unread.push(bytes.slice());
    else this.connection.receive(bytes.slice());
  }

  read(reader: GuestReader): void {
    this.#output.read(reader);
  }

  pause(): void {
    this.#output.pause();
  }

  resume(): void {
    this.#output.resume();
  }

  usage(): Usage | undefined {
    return { cpuMs: this.cpuMs, memoryBytes: this.memoryBytes };
  }

  limitMemory(bytes: number): void {
    this.memoryBytesMax = bytes;
  }

  kill(): void {
    this.killed = true;
    this.die({ code: 137 });
  }

  /** Ends by itself, or by somebody who is not the host. */
  die({ code = 1, outOfMemory = false, stderr = "" }: Partial<ProcessEnd> = {}): void {
    if (this.over) return;
    this.#output.end();
    this.#exited.resolve({ code, outOfMemory, stderr });
  }

  /** Reads nothing any more, as a guest in an endless loop. */
  stick(): void {
    this.#stuck = true;
  }

  /** The loop was not endless. */
  unstick(): void {
    this.#stuck = false;
    for (const bytes of this.#unread.splice(0)) this.connection.receive(bytes);
  }

  /** Sends bytes as they are, frames or not. */
  send(bytes: Uint8Array): void {
    this.#output.push(bytes);
  }

  /** Says that its program is loaded, when the engine does not say so by itself. */
  ready(): void {
    this.connection.sendText(FRAME.ready, 0, "{}");
  }

  /** Answers an invocation with `text`; with `wait`, after-work goes on. */
  answer(index: number, text = "", wait = false): void {
    const { stream } = this.invocations[index] as FakeInvocation;
    stream.head(JSON.stringify({ s: 200, h: [] }));
    if (text !== "") stream.sendText(text);
    stream.end(wait ? "wait" : "");
  }

  /** The after-work of an invocation is over. */
  finish(index: number): void {
    this.connection.sendText(FRAME.ready, this.invocations[index]?.stream.id ?? 0, "");
  }

  /** Writes a line of log for stream `id`. */
  log(id: number, text: string): void {
    this.connection.sendText(FRAME.log, id, `i${text}`);
  }

  #frame(type: FrameType, payload: Uint8Array): void {
    if (type === FRAME.hello && this.#engine.saysHello) this.connection.sendText(FRAME.hello, 0, "{}");
    if (type !== FRAME.load) return;
    this.load = decodeParcel(payload).json as LoadParcel;
    if (this.load.mode === "function" && this.#engine.loads) this.ready();
  }

  #open(stream: WireStream, head: Uint8Array): StreamEvents {
    const invocation: FakeInvocation = { stream, head: parseJson(head) as RequestHead, reset: false };
    this.invocations.push(invocation);
    return {
      head() {},
      data() {},
      end() {},
      writable() {},
      reset() {
        invocation.reset = true;
      },
    };
  }
}

/** The engine. */
export class FakeEngine implements Engine {
  readonly name = "script";
  readonly layers: readonly string[] = [];
  readonly guests: FakeGuest[] = [];
  /** Whether guests say hello, and load functions, by themselves. */
  saysHello = true;
  loads = true;
  /** What `start` fails with, when it does. */
  failure: Error | undefined;

  /** The guests that have not ended. */
  get running(): FakeGuest[] {
    return this.guests.filter((guest) => !guest.over);
  }

  async start(): Promise<GuestProcess> {
    if (this.failure !== undefined) throw this.failure;
    const guest = new FakeGuest(this.guests.length + 1, this);
    this.guests.push(guest);
    return guest;
  }

  async close(): Promise<void> {}
}
