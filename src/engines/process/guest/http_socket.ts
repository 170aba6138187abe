/**
 * A WebSocket that goes through to a program of the `http` dialect: the guest is the program's client, and messages go both
 * ways as frames of the invocation's stream.
 *
 * A program that declines the handshake is asked once more by a plain request, whose answer the caller gets.
 */
import { type Pairs, parseJson, type RequestHead, type ResponseHead } from "../../../wire/heads.ts";
import { closeFrame, SOCKET_OP, socketFrame } from "../../../wire/socket_frames.ts";
import type { WireStream } from "../../../wire/stream.ts";
import { HOP, type HttpPlace, socketAt } from "./http_place.ts";

/** What may wait for a caller that does not keep up, in bytes; the host holds messages to a lower limit. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** What may wait for a program that does not read before the caller is slowed down, in bytes. */
const UNREAD_BYTES_MAX = 1024 * 1024;
/** How often is looked whether the program reads again, in milliseconds: a client of Bun's does not say so. */
const LOOK_MS = 10;

/** A connection that has ended without a close, and what the caller is told then. */
const CUT = 1006;
const BROKEN = 1011;

/** What a name is in HTTP (RFC 9110, 5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The protocols that a handshake offers; undefined when it may not offer them (RFC 6455, 4.1: tokens, none twice). */
export function offeredProtocols(headers: Pairs): string[] | undefined {
  const offered = headers.filter(([name]) => name.toLowerCase() === "sec-websocket-protocol").map(([, value]) => value);
  const names = offered.flatMap((value) => value.split(",")).map((name) => name.trim());
  const told = names.filter((name) => name !== "");
  const isFine = told.every((name) => TOKEN.test(name)) && new Set(told).size === told.length;
  return isFine ? told : undefined;
}

/** The two ends, joined. */
export class HttpSocket {
  readonly #stream: WireStream;
  readonly #socket: WebSocket;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #unread = 0;
  #timer: Timer | undefined;
  #isOpen = false;
  #hasEnded = false;

  /**
   * Asks the program.
   * @param on `declined`: it does not want to, and nothing has been said on the stream
   */
  constructor(
    stream: WireStream,
    { h: headers, u }: RequestHead,
    place: HttpPlace,
    on: {
      readonly protocols: string[];
      declined(): void;
      opened(): void;
      over(): void;
      stillRuns(): Promise<void>;
    },
  ) {
    this.#stream = stream;
    const { pathname, search, host } = new URL(u);
    const own = headers.filter(([name]) => !HOP.has(name.toLowerCase()) && !/^(host|sec-websocket-.*)$/i.test(name));
    this.#socket = new WebSocket(socketAt(place, pathname + search), {
      headers: { ...Object.fromEntries(own), host },
      ...(on.protocols.length > 0 && { protocols: on.protocols }),
    } as unknown as string[]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#isOpen = true;
      const { protocol } = this.#socket;
      const head: ResponseHead = { s: 101, h: protocol === "" ? [] : [["sec-websocket-protocol", protocol]], ws: 1 };
      stream.head(JSON.stringify(head));
      on.opened();
    };
    this.#socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#send(socketFrame(SOCKET_OP.text, encoder.encode(data)));
      else this.#send(socketFrame(SOCKET_OP.binary, new Uint8Array(data as ArrayBuffer)));
    };
    this.#socket.onclose = async ({ code, reason }) => {
      clearInterval(this.#timer);
      if (!this.#isOpen) return on.declined();
      if (code === CUT) await on.stillRuns();
      this.#finish(code === CUT ? BROKEN : code, reason);
      on.over();
    };
  }

  /** A message of the caller. */
  data(payload: Uint8Array): void {
    const body = payload.subarray(1);
    if (payload[0] === SOCKET_OP.close) {
      this.#stream.consumed(payload.length);
      const { code, reason } = parseJson(body) as { code: number; reason: string };
      // Nobody is there any more for what waits.
      this.#waiting.length = 0;
      this.#waitingBytes = 0;
      this.#close(code, reason);
      return;
    }
    this.#socket.send(payload[0] === SOCKET_OP.text ? decoder.decode(body) : body.slice());
    this.#unread += payload.length;
    this.#acknowledge();
    if (this.#unread > 0) this.#timer ??= setInterval(() => this.#acknowledge(), LOOK_MS);
  }

  /** There is room again. */
  writable(): void {
    while (this.#waiting.length > 0 && !this.#stream.full) {
      const frame = this.#waiting.shift() as Uint8Array;
      this.#waitingBytes -= frame.length;
      this.#stream.send(frame);
    }
    if (this.#hasEnded && this.#waiting.length === 0) this.#stream.end();
  }

  /** The caller is gone without a word, or a limit has ended it. */
  gone(): void {
    this.#hasEnded = true;
    this.#waiting.length = 0;
    this.#socket.terminate();
  }

  #acknowledge(): void {
    if (this.#socket.bufferedAmount > UNREAD_BYTES_MAX && this.#socket.readyState === WebSocket.OPEN) return;
    this.#stream.consumed(this.#unread);
    this.#unread = 0;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #send(frame: Uint8Array): void {
    if (this.#hasEnded) return;
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    this.writable();
    if (this.#waitingBytes <= WAITING_BYTES_MAX) return;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#finish(1013, "The caller does not keep up");
    this.#socket.close(1013, "The caller does not keep up");
  }

  #finish(code: number, reason: string): void {
    if (this.#hasEnded) return;
    const frame = closeFrame(code, reason);
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    this.#hasEnded = true;
    this.writable();
  }

  /** What no client may send (RFC 6455, 7.4) is left out. */
  #close(code: number, reason: string): void {
    if (code === 1000 || (code >= 3000 && code <= 4999)) this.#socket.close(code, reason);
    else this.#socket.close();
  }
}
