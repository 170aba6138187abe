/**
 * One instance: a tab in the context of its function's version, and the way of its frames between the host and the page.
 *
 * Frames of the host are read here until there is a page (hello and load are the guest's), then passed on; what the page
 * sends is passed on as it is, for the host to check. Each side waits when the other does not keep up.
 */
import type { Connection } from "../../../wire/connection.ts";
import { FRAME, FrameDecoder, type FrameType, GUEST_ACCEPTS } from "../../../wire/frame.ts";
import { FrameBuffer } from "../../../wire/frame_buffer.ts";
import { decodeParcel, encodeParcel, type LoadParcel } from "../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import { Arrival } from "./arrival.ts";
import type { Place } from "./contexts.ts";
import { MadeCaptures } from "./made_captures.ts";
import type { ByteSocket, SocketOwner } from "./websocket.ts";

/** What a tab needs of the guest. */
export interface TabHost {
  readonly connection: Connection;
  /** Gives `tab` a place and brings its page there. @throws {Error} */
  open(tab: Tab, load: LoadParcel, bytes: Uint8Array): Promise<void>;
  /** Ends what is left of `tab`. */
  close(tab: Tab): void;
  /** Stops the code that the page runs at this moment. */
  terminate(place: Place): void;
}

const NOTHING = new Uint8Array(0);
/** Bytes in one frame to the host. */
const CHUNK_BYTES = 64 * 1024;

/** A page that has sent nothing for this long after it was asked whether it turns is stuck, in milliseconds. */
const STUCK_MS = 25;
/** A page whose connection is gone and of which nothing else is said for this long was left by its program, in milliseconds. */
const SILENCE_MS = 100;
const LEFT = "The page was closed, or was led to another address";
const UNKNOWN = "The page's process could not be told";

/** A tab. */
export class Tab implements StreamEvents {
  /** What its context is named by. */
  readonly key: string;
  /** What its page proves with that it is the page of this tab. */
  readonly token = crypto.randomUUID().replaceAll("-", "");
  readonly stream: WireStream;
  place: Place | undefined;
  /** The address of its module. */
  modulePath = "";
  /** The process that renders it, once that is known. */
  pid: number | undefined;
  readonly #host: TabHost;
  readonly #decoder: FrameDecoder;
  readonly #out = new FrameBuffer();
  #load: LoadParcel | undefined;
  #socket: ByteSocket | undefined;
  /** When its page has connected, and may begin. */
  readonly arrival = new Arrival(
    (socket) => this.#begin(socket),
    () => this.lose("start_failed", UNKNOWN),
  );
  /** What the host is owed, of bytes that the page has not taken. */
  #owed = 0;
  /** What the browser has made for the page and it has not fetched. */
  readonly made = new MadeCaptures();
  #received = 0;
  #flushAsked = false;
  /** Whether the page has not taken what it was sent. */
  #isBlocked = false;
  /** Whether it has ended. */
  over = false;

  constructor(stream: WireStream, key: string, host: TabHost) {
    this.stream = stream;
    this.key = key;
    this.#host = host;
    stream.head("{}");
    this.#decoder = new FrameDecoder(GUEST_ACCEPTS, (type, id, payload) => this.#frame(type, id, payload));
  }

  #begin(socket: ByteSocket): void {
    if (this.over) return;
    this.#socket = socket;
    const { browser: _, ...load } = this.#load as LoadParcel;
    const first = new FrameBuffer();
    first.frame(FRAME.load, 0, encodeParcel({ ...load, module: this.modulePath }, NOTHING));
    socket.send(first.take());
    this.#flush();
  }

  /** What its page has asked of the browser is made, and waits to be fetched; or there is none, and why. */
  captured(id: number, result: Uint8Array | string): void {
    if (this.over) return;
    if (typeof result !== "string") this.made.keep(id, result);
    const told = typeof result === "string" ? { error: result } : {};
    this.#frame(FRAME.load, id, new TextEncoder().encode(JSON.stringify(told)));
  }

  /** Stops what the page runs, unless it answers what it is asked meanwhile. */
  interrupt(): void {
    const before = this.#received;
    setTimeout(() => {
      if (this.#received === before && !this.over && this.place !== undefined) this.#host.terminate(this.place);
    }, STUCK_MS);
  }

  /** Its page is gone; the host is told why. */
  lose(code: string, message: string): void {
    if (this.over) return;
    this.stream.reset(JSON.stringify({ code, message }));
    this.#host.connection.flush();
    this.#end();
  }

  // What the host sends.

  head(): void {}

  data(payload: Uint8Array): void {
    this.#owed += payload.length;
    this.#decoder.push(payload);
    // Part of a frame, which may be larger than the credit: nothing waits for the page.
    if (this.#out.length === 0 && !this.#isBlocked) this.#settle();
  }

  end(): void {
    this.#end();
  }

  reset(): void {
    this.#end();
  }

  writable(): void {
    this.#socket?.resume();
  }

  /** Takes what the page sends. */
  readonly page: SocketOwner = {
    data: (bytes) => this.#relay(bytes),
    drained: () => this.#settle(),
    // The browser may be about to say more.
    gone: () => void setTimeout(() => this.lose("program_ended", LEFT), SILENCE_MS),
  };

  #relay(bytes: Uint8Array): void {
    this.#received += bytes.length;
    let isFull = false;
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      isFull = !this.stream.send(bytes.subarray(at, at + CHUNK_BYTES));
    }
    if (isFull) this.#socket?.pause();
    this.#host.connection.flush();
  }

  #settle(): void {
    this.#isBlocked = false;
    this.stream.consumed(this.#owed);
    this.#owed = 0;
  }

  #frame(type: FrameType, id: number, payload: Uint8Array): void {
    if (type === FRAME.hello) {
      const hello = new FrameBuffer(256);
      hello.text(FRAME.hello, 0, JSON.stringify({ sealed: false }));
      this.stream.send(hello.take());
      this.#host.connection.flush();
    } else if (type === FRAME.load && this.#load === undefined) {
      const { json, bytes } = decodeParcel(payload);
      this.#load = json as LoadParcel;
      this.#open(this.#load, bytes);
    } else {
      this.#out.frame(type, id, payload);
      if (this.#flushAsked) return;
      this.#flushAsked = true;
      queueMicrotask(() => this.#flush());
    }
  }

  #flush(): void {
    this.#flushAsked = false;
    if (this.#socket === undefined) return;
    this.#isBlocked = this.#out.length > 0 && !this.#socket.send(this.#out.take());
    if (!this.#isBlocked) this.#settle();
  }

  async #open(load: LoadParcel, bytes: Uint8Array): Promise<void> {
    try {
      await this.#host.open(this, load, bytes);
    } catch (error) {
      this.lose("start_failed", error instanceof Error ? error.message : String(error));
    }
  }

  #end(): void {
    if (this.over) return;
    this.over = true;
    this.arrival.close();
    this.#host.close(this);
  }
}
