/**
 * A guest that is played by a test: a `GuestProcess` without a process, whose output is what the test says, byte by
 * byte. What the host writes is cut into frames, so that a test sees what a guest would.
 */
import type { GuestProcess, GuestReader, ProcessEnd } from "../core/engine.ts";
import { deferred } from "../stdx/deferred.ts";
import { FRAME, FrameDecoder, type FrameType, GUEST_ACCEPTS } from "../wire/frame.ts";
import { FrameBuffer } from "../wire/frame_buffer.ts";
import { parseJson } from "../wire/heads.ts";
import { FakeOutput } from "./fake_output.ts";

/** A frame that the host has sent. */
export interface SentFrame {
  readonly type: FrameType;
  readonly stream: number;
  readonly payload: Uint8Array;
}

const SIGKILL_CODE = 137;

/** The guest. */
export class FakeGuest implements GuestProcess {
  readonly pid = 0;
  readonly layers: readonly string[] = [];
  readonly hello = { rlimits: [], dataBytes: 0, seal: new Uint8Array(0) };
  readonly exited: Promise<ProcessEnd>;
  /** What the host has sent, in order. */
  readonly received: SentFrame[] = [];
  killed = false;
  readonly #ended = deferred<ProcessEnd>();
  readonly #decoder = new FrameDecoder(GUEST_ACCEPTS, (type, stream, payload) => {
    this.received.push({ type, stream, payload: payload.slice() });
  });
  readonly #output = new FakeOutput();

  stray: ((text: string) => void) | undefined;

  constructor() {
    this.exited = this.#ended.promise;
  }

  write(bytes: Uint8Array): void {
    this.#decoder.push(bytes.slice());
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

  usage() {
    return this.killed ? undefined : { cpuMs: 1, memoryBytes: 1024 };
  }

  limitMemory(): void {}

  kill(): void {
    this.exit(SIGKILL_CODE);
  }

  /** Ends by itself. */
  exit(code: number): void {
    if (this.killed) return;
    this.killed = true;
    this.#output.end();
    this.#ended.resolve({ code, outOfMemory: false, stderr: "" });
  }

  /** Says bytes, whatever they are. */
  say(bytes: Uint8Array): void {
    this.#output.push(bytes);
  }

  /** Says one frame; a text is sent as it is, anything else but bytes as JSON. */
  frame(type: FrameType, stream: number, payload: unknown = new Uint8Array(0)): void {
    this.say(encodeFrame(type, stream, payload));
  }

  /** The types of the frames that the host has sent on `stream`. */
  sentOn(stream: number): FrameType[] {
    return this.received.filter((frame) => frame.stream === stream).map(({ type }) => type);
  }

  /** The JSON of the host's last frame of `type`. */
  last(type: FrameType): unknown {
    const found = this.received.findLast((frame) => frame.type === type);
    return found === undefined ? undefined : parseJson(found.payload);
  }

  /** The streams of the invocations that it has been handed, in order. */
  get invocations(): number[] {
    return this.received
      .filter(({ type, stream }) => type === FRAME.head && stream % 2 === 1)
      .map(({ stream }) => stream);
  }
}

/** One frame as bytes. */
export function encodeFrame(type: FrameType, stream: number, payload: unknown = new Uint8Array(0)): Uint8Array {
  const buffer = new FrameBuffer(64);
  if (payload instanceof Uint8Array) buffer.frame(type, stream, payload);
  else buffer.text(type, stream, typeof payload === "string" ? payload : JSON.stringify(payload));
  return buffer.take().slice();
}
