/**
 * One stream of a connection: its two directions, their order, and the credit under which `data` is sent.
 *
 * It knows nothing of other streams; what carries its frames is the connection.
 */
import { FRAME, type FrameType, readU32, WireError } from "./frame.ts";

/** Bytes of `data` that a sender may have under way on one stream. */
export const WINDOW_BYTES = 256 * 1024;

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

/** What a stream needs of its connection. */
export interface StreamCarrier {
  /** Sends a frame whose payload is text; returns the payload's bytes. */
  sendText(type: FrameType, stream: number, text: string): number;
  /** Sends a frame whose payload is bytes. */
  sendBytes(type: FrameType, stream: number, payload?: Uint8Array): void;
  /** Gives the peer credit on a stream. */
  sendCredit(stream: number, bytes: number): void;
  /** Forgets a stream whose two directions are over. */
  forget(stream: WireStream): void;
}

/** One stream of a connection. */
export class WireStream {
  readonly id: number;
  readonly #connection: StreamCarrier;
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

  constructor(connection: StreamCarrier, id: number, slackBytes: number) {
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
    if (this.#receiveCredit < -this.#slackBytes)
      throw new WireError(`Cannot read data: stream ${this.id} is over its credit`);
    // Empty data costs no credit: passed on, it could be queued without a bound.
    if (payload.length > 0) events.data(payload);
  }

  #takeCredit(payload: Uint8Array, events: StreamEvents): void {
    if (payload.length !== 4) throw new WireError(`Cannot read credit: ${payload.length} bytes instead of 4`);
    this.#sendCredit += readU32(payload, 0);
    if (this.#sendCredit > WINDOW_BYTES)
      throw new WireError(`Cannot read credit: stream ${this.id} has more than was used`);
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
