/**
 * The stream multiplexer over frames, used by host and guest alike.
 *
 * Streams are numbered as in HTTP/2: the host opens odd ones (invocations), the guest even ones (calls of bindings).
 * Each direction of a stream is `head`, any number of `data`, `end`; `reset` ends both at once. `data` is under
 * credit: a sender may have `WINDOW_BYTES` under way until the receiver gives more. Who opens a stream with `pipe` flow
 * gives credit too, and does not mind a peer that goes on without: the pipe is the back-pressure there.
 * Frames of one turn of the event loop leave in one write, or in a few. What the peer does wrong is a `WireError` and the end of
 * the connection; frames of streams that are already over are dropped, since they may have been under way.
 * It does not look into payloads: heads are texts, parsed by who knows them.
 */
import { type AcceptedFrames, DATA_BYTES_MAX, FRAME, FrameDecoder, type FrameType, WireError } from "./frame.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import { type StreamCarrier, type StreamEvents, WireStream } from "./stream.ts";

/** Streams that each side lets its peer have open at a time: a guest's calls, a host's invocations. */
export const PEER_STREAMS_MAX = { host: 256, guest: 16_384 } as const;

/** A sender may overshoot its credit by the one message with which it used it up; those of calls are short. */
const SLACK_BYTES = DATA_BYTES_MAX + 16;
const CALL_SLACK_BYTES = 64 * 1024;

/**
 * Once this much is buffered, it is written without waiting for the end of the turn: the heads of some eight requests,
 * which the peer begins with while the rest of the turn is dealt with.
 */
const FLUSH_BYTES = 2048;

/** The same where several processes stand between both ends: each write costs time in all of them. */
export const FAR_FLUSH_BYTES = 8 * 1024;

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** Frames that belong to the connection: hello, load, ready, ping (already answered), pong, log. */
  frame(type: FrameType, stream: number, payload: Uint8Array): void;
  /** The peer opened a stream; returns who receives its events, or undefined to refuse it. */
  open(stream: WireStream, head: Uint8Array): StreamEvents | undefined;
}

/** How a connection is set up. */
export interface ConnectionOptions {
  readonly side: "host" | "guest";
  readonly accepts: AcceptedFrames;
  readonly events: ConnectionEvents;
  /** Takes bytes to the peer; they are valid during the call only. */
  write(bytes: Uint8Array): void;
  /** Calls back once at the end of this turn of the event loop. */
  defer(callback: () => void): void;
  /** Once so many bytes are buffered, they are written without waiting for that; a few requests when left out. */
  readonly flushBytes?: number | undefined;
}

const NOTHING = new Uint8Array(0);

/** One end of a connection. */
export class Connection implements StreamCarrier {
  readonly #options: ConnectionOptions;
  readonly #flushBytes: number;
  readonly #decoder: FrameDecoder;
  readonly #out = new FrameBuffer();
  readonly #streams = new Map<number, WireStream>();
  readonly #flushNow = () => this.flush();
  #flushAsked = false;
  #nextOwn: number;
  #nextPeer: number;
  #peerStreams = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#flushBytes = options.flushBytes ?? FLUSH_BYTES;
    this.#nextOwn = options.side === "host" ? 1 : 2;
    this.#nextPeer = 3 - this.#nextOwn;
    this.#decoder = new FrameDecoder(options.accepts, (type, stream, payload) => this.#receive(type, stream, payload));
  }

  /** Streams that are open. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /**
   * Takes bytes from the peer.
   * @throws {WireError} when they break the protocol; the owner must then `close` and end the peer.
   */
  receive(chunk: Uint8Array): void {
    if (!this.#closed) this.#decoder.push(chunk);
  }

  /** Opens a stream with `head`; events arrive from the next turn on. */
  open(head: string, events: StreamEvents, flow: "credit" | "pipe" = "credit"): WireStream {
    const id = this.#nextOwn;
    if (id > 0xffff_ffff) throw new Error("Cannot open a stream: the connection has used up its numbers");
    this.#nextOwn += 2;
    const stream = new WireStream(this, id, flow === "pipe" ? Number.POSITIVE_INFINITY : SLACK_BYTES);
    stream.events = events;
    this.#streams.set(id, stream);
    this.sendText(FRAME.head, id, head);
    return stream;
  }

  /** Sends a frame whose payload is text; returns the payload's bytes. */
  sendText(type: FrameType, stream: number, text: string): number {
    if (this.#closed) return 0;
    const bytes = this.#out.text(type, stream, text);
    this.#schedule();
    return bytes;
  }

  /** Sends a frame whose payload is bytes. */
  sendBytes(type: FrameType, stream: number, payload: Uint8Array = NOTHING): void {
    if (this.#closed) return;
    this.#out.frame(type, stream, payload);
    this.#schedule();
  }

  /** Gives the peer credit on a stream. */
  sendCredit(stream: number, bytes: number): void {
    if (this.#closed) return;
    this.#out.u32(FRAME.credit, stream, bytes);
    this.#schedule();
  }

  /** Writes what is buffered now, instead of at the end of the turn. */
  flush(): void {
    this.#flushAsked = false;
    if (this.#out.length > 0 && !this.#closed) this.#options.write(this.#out.take());
  }

  /** Ends the connection: every open stream sees a reset with `reason`. */
  close(reason = ""): void {
    if (this.#closed) return;
    this.#closed = true;
    const payload = new TextEncoder().encode(reason);
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.take(FRAME.reset, payload);
  }

  /** Forgets a stream whose two directions are over. */
  forget(stream: WireStream): void {
    if (this.#streams.delete(stream.id) && this.#isPeers(stream.id)) this.#peerStreams -= 1;
  }

  #schedule(): void {
    if (this.#out.length >= this.#flushBytes) return this.flush();
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    this.#options.defer(this.#flushNow);
  }

  #isPeers(id: number): boolean {
    return (id & 1) === (this.#options.side === "host" ? 0 : 1);
  }

  #receive(type: FrameType, id: number, payload: Uint8Array): void {
    if (this.#closed) return;
    if (type < FRAME.head || type > FRAME.credit) {
      if (type === FRAME.ping) {
        this.sendBytes(FRAME.pong, 0, payload);
        // Now: the frames behind it may begin work that lasts, and that has not begun yet.
        this.flush();
      }
      return this.#options.events.frame(type, id, payload);
    }
    const stream = this.#streams.get(id);
    if (stream !== undefined) return stream.take(type, payload);
    if (this.#isPeers(id) && type === FRAME.head) return this.#accept(id, payload);
    if (id === 0 || id >= (this.#isPeers(id) ? this.#nextPeer : this.#nextOwn)) {
      throw new WireError(`Cannot read frame of type ${type}: stream ${id} was never opened`);
    }
  }

  #accept(id: number, head: Uint8Array): void {
    const { side, events: owner } = this.#options;
    if (id !== this.#nextPeer) throw new WireError(`Cannot open stream ${id}: the next is ${this.#nextPeer}`);
    if (this.#peerStreams >= PEER_STREAMS_MAX[side])
      throw new WireError(`Cannot open stream ${id}: ${this.#peerStreams} are open`);
    this.#nextPeer += 2;
    const stream = new WireStream(this, id, side === "host" ? CALL_SLACK_BYTES : SLACK_BYTES);
    stream.headSeen = true;
    const events = owner.open(stream, head);
    if (events === undefined || stream.over) return;
    stream.events = events;
    this.#peerStreams += 1;
    this.#streams.set(id, stream);
  }
}
