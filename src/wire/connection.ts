/**
 * The stream multiplexer over frames, used by host and guest alike.
 *
 * Streams are numbered as in HTTP/2: the host opens odd ones (invocations), the guest even ones (calls of bindings).
 * Each direction of a stream is `head`, any number of `data`, `end`; `reset` ends both at once. `data` is under
 * credit: a sender may have `WINDOW_BYTES` under way until the receiver gives more. Who opens a stream with `pipe` flow
 * gives credit too, and does not mind a peer that goes on without: the pipe is the back-pressure there.
 * Frames of one turn of the event loop leave in one write. What the peer does wrong is a `WireError` and the end of
 * the connection; frames of streams that are already over are dropped, since they may have been under way.
 * It does not look into payloads: heads are texts, parsed by who knows them.
 */
import { type AcceptedFrames, DATA_BYTES_MAX, FRAME, FrameBuffer, FrameDecoder, type FrameType, readU32, WireError } from "./frame.ts";

/** Bytes of `data` that a sender may have under way on one stream. */
export const WINDOW_BYTES = 256 * 1024;

/** Streams that each side lets its peer have open at a time: a guest's calls, a host's invocations. */
export const PEER_STREAMS_MAX = { host: 256, guest: 16_384 } as const;

/** A sender may overshoot its credit by the one message with which it used it up; those of calls are short. */
const SLACK_BYTES = DATA_BYTES_MAX + 16;
const CALL_SLACK_BYTES = 64 * 1024;

/** Once this much is buffered, it is written without waiting for the end of the turn. */
const FLUSH_BYTES = 128 * 1024;

/** Who receives what the peer does on one stream. */
export interface StreamEvents {
  /** The peer's head; on a stream that the peer opened, its head was given to `open` instead. */
  head(payload: Uint8Array): void;
  data(payload: Uint8Array): void;
  /** The peer will send no more; the payload may say how it went. */
  end(payload: Uint8Array): void;
  /** The peer gave the stream up, or the connection is gone; nothing follows. */
  reset(payload: Uint8Array): void;
  /** There is room to send again, after `send` said that there was none. */
  writable(): void;
}

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
}

const NOTHING = new Uint8Array(0);

/** One end of a connection. */
export class Connection {
  readonly #options: ConnectionOptions;
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
    if (this.#out.length >= FLUSH_BYTES) return this.flush();
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
    if (this.#peerStreams >= PEER_STREAMS_MAX[side]) throw new WireError(`Cannot open stream ${id}: ${this.#peerStreams} are open`);
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

/** One stream of a connection. */
export class WireStream {
  readonly id: number;
  readonly #connection: Connection;
  readonly #slackBytes: number;
  events: StreamEvents | undefined;
  /** Whether the peer's head has arrived. */
  headSeen = false;
  #sendCredit = WINDOW_BYTES;
  #receiveCredit = WINDOW_BYTES;
  #owed = 0;
  #sentEnd = false;
  #seenEnd = false;
  #wasFull = false;
  #over = false;

  constructor(connection: Connection, id: number, slackBytes: number) {
    this.#connection = connection;
    this.id = id;
    this.#slackBytes = slackBytes;
  }

  /** Whether both directions are over. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether `send` would be refused for want of credit. */
  get full(): boolean {
    return this.#sendCredit <= 0;
  }

  /** Answers with a head. */
  head(text: string): void {
    if (!this.#over) this.#connection.sendText(FRAME.head, this.id, text);
  }

  /**
   * Sends bytes; false when the credit is used up by them, and `writable` will be called when there is more.
   * A sender that goes on regardless breaks the protocol; `bytes` must not exceed `DATA_BYTES_MAX`.
   */
  send(bytes: Uint8Array): boolean {
    if (this.#over || this.#sentEnd) return true;
    this.#connection.sendBytes(FRAME.data, this.id, bytes);
    return this.#spend(bytes.length);
  }

  /** As `send`, for text that is shorter than a third of `DATA_BYTES_MAX`. */
  sendText(text: string): boolean {
    if (this.#over || this.#sentEnd) return true;
    return this.#spend(this.#connection.sendText(FRAME.data, this.id, text));
  }

  /** Sends the end of this direction. */
  end(text = ""): void {
    if (this.#over || this.#sentEnd) return;
    this.#sentEnd = true;
    this.#connection.sendText(FRAME.end, this.id, text);
    if (this.#seenEnd) this.#finish();
  }

  /** Gives the stream up in both directions; no event follows. */
  reset(text = ""): void {
    if (this.#over) return;
    this.#connection.sendText(FRAME.reset, this.id, text);
    this.#finish();
  }

  /** Says that `bytes` of received data have been used (never more than have come): the peer may send as many again. */
  consumed(bytes: number): void {
    if (this.#over || this.#seenEnd) return;
    this.#owed = Math.min(this.#owed + bytes, WINDOW_BYTES - this.#receiveCredit);
    if (this.#owed < WINDOW_BYTES / 4) return;
    this.#receiveCredit += this.#owed;
    this.#connection.sendCredit(this.id, this.#owed);
    this.#owed = 0;
  }

  /** Takes a frame of the peer; called by the connection only. @throws {WireError} */
  take(type: FrameType, payload: Uint8Array): void {
    const events = this.events;
    if (events === undefined) throw new WireError(`Cannot read frame of type ${type}: stream ${this.id} is not ready`);
    if (type === FRAME.reset) {
      this.#finish();
      return events.reset(payload);
    }
    if (type === FRAME.credit) return this.#takeCredit(payload, events);
    if (this.#seenEnd) throw new WireError(`Cannot read frame of type ${type}: stream ${this.id} has ended`);
    if (type === FRAME.head) {
      if (this.headSeen) throw new WireError(`Cannot read head: stream ${this.id} has one`);
      this.headSeen = true;
      return events.head(payload);
    }
    if (!this.headSeen) throw new WireError(`Cannot read frame of type ${type}: stream ${this.id} has no head`);
    if (type === FRAME.data) return this.#takeData(payload, events);
    this.#seenEnd = true;
    if (this.#sentEnd) this.#finish();
    events.end(payload);
  }

  #takeData(payload: Uint8Array, events: StreamEvents): void {
    this.#receiveCredit -= payload.length;
    if (this.#receiveCredit < -this.#slackBytes) throw new WireError(`Cannot read data: stream ${this.id} is over its credit`);
    // Empty data costs no credit: passed on, it could be queued without a bound.
    if (payload.length > 0) events.data(payload);
  }

  #takeCredit(payload: Uint8Array, events: StreamEvents): void {
    if (payload.length !== 4) throw new WireError(`Cannot read credit: ${payload.length} bytes instead of 4`);
    this.#sendCredit += readU32(payload, 0);
    if (this.#sendCredit > WINDOW_BYTES) throw new WireError(`Cannot read credit: stream ${this.id} has more than was used`);
    if (!this.#wasFull || this.#sendCredit <= 0) return;
    this.#wasFull = false;
    events.writable();
  }

  #spend(bytes: number): boolean {
    this.#sendCredit -= bytes;
    this.#wasFull = this.#sendCredit <= 0;
    return !this.#wasFull;
  }

  #finish(): void {
    this.#over = true;
    this.#connection.forget(this);
  }
}
