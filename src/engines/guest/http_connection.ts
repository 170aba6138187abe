/**
 * A connection of the program to the server that it finds in its sandbox: requests one at a time, answered when there is
 * something to answer. It does not know what the requests mean.
 */
import { HttpError } from "./http_fields.ts";
import { HttpParser } from "./http_parser.ts";
import type { BodySink, Handler, Reply } from "./http_reply.ts";

/** A request that has begun must be complete within this time, in milliseconds; waiting for an answer has no end. */
const REQUEST_MS_MAX = 900_000;
const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: "OK",
  202: "Accepted",
  204: "No Content",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  413: "Payload Too Large",
};

type Socket = Bun.Socket<Connection>;
const NO_TRAILERS: ReadonlyMap<string, string> = new Map();
const NOTHING = new Uint8Array(0);
const LINE_END = Buffer.from("\r\n");
const CONNECTED = "HTTP/1.1 200 Connection established\r\n\r\n";

/** The connection. */
export class Connection implements Reply {
  readonly #socket: Socket;
  readonly #parser: HttpParser;
  readonly #handler: Handler;
  #sink: BodySink | undefined;
  #isBusy = false;
  /** Takes what comes once the connection is no HTTP any more. */
  #tunnel: BodySink | undefined;
  #unsent: Uint8Array[] = [];
  #timer: Timer | undefined;
  #closing = false;
  /** What came was no HTTP: there is no end of it to wait for. */
  #isBroken = false;
  onDrain: (() => void) | undefined;
  onGone: (() => void) | undefined;
  isGone = false;

  constructor(socket: Socket, handler: Handler) {
    this.#socket = socket;
    this.#handler = handler;
    this.#parser = new HttpParser({
      start: (head) => {
        this.#isBusy = true;
        this.onGone = undefined;
        this.onDrain = undefined;
        this.#closing = head.headers.get("connection")?.toLowerCase() === "close";
        if (head.headers.get("expect") !== undefined) this.#push(Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
        this.#sink = this.#handler(head, this);
      },
      data: (bytes) => this.#sink?.data(bytes),
      end: (trailers) => {
        const sink = this.#sink;
        this.#sink = undefined;
        sink?.end(trailers);
      },
    });
  }

  receive(bytes: Uint8Array): void {
    if (this.#tunnel !== undefined) return this.#tunnel.data(bytes);
    try {
      this.#parser.push(bytes, () => this.#isBusy);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      // While an answer is owed, another would be taken for it.
      if (this.#isBusy && this.#sink === undefined) return void this.#socket.terminate();
      this.#sink?.cut?.();
      this.#sink = undefined;
      this.#closing = true;
      this.#isBroken = true;
      this.send(error.status, { "content-type": "text/plain" }, `${error.message}\n`);
    }
    if (this.#parser.isMidway) this.#timer ??= setTimeout(() => this.#socket.end(), REQUEST_MS_MAX);
    else this.#stopTimer();
    this.#endWhenDone();
  }

  send(status: number, headers: Readonly<Record<string, string>>, body: string | Uint8Array = ""): void {
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    let head = `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? "Error"}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    if (this.#closing) head += "connection: close\r\n";
    head += `content-length: ${length}\r\n\r\n`;
    // One array, one write.
    const bytes = Buffer.allocUnsafe(head.length + length);
    bytes.write(head, 0, "latin1");
    if (typeof body === "string") bytes.write(body, head.length);
    else bytes.set(body, head.length);
    this.#push(bytes);
    this.#answered();
  }

  begin(status: number, headers: readonly (readonly [string, string])[]): void {
    const fields = headers.map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? "Answer"}\r\n${fields.join("")}transfer-encoding: chunked\r\n\r\n`;
    this.#push(Buffer.from(head, "latin1"));
  }

  tunnel(sink: BodySink, head = CONNECTED): void {
    if (this.isGone) return;
    this.#tunnel = sink;
    this.#push(Buffer.from(head, "latin1"));
    const ahead = this.#parser.takeRest();
    if (ahead.length > 0) sink.data(ahead);
  }

  connected(): void {
    this.#push(Buffer.from(CONNECTED));
    this.#answered();
  }

  /** The program sends nothing more. */
  ended(): void {
    if (this.#tunnel === undefined) this.#socket.end();
    else this.#tunnel.end(NO_TRAILERS);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#tunnel !== undefined) this.#push(bytes);
    else if (bytes.length > 0)
      this.#push(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, LINE_END]));
    return this.#unsent.length === 0;
  }

  finish(complete: boolean): void {
    if (!complete) return void this.#socket.terminate();
    if (this.#tunnel !== undefined) {
      this.#closing = true;
      return this.#answered();
    }
    this.#push(Buffer.from("0\r\n\r\n"));
    this.#answered();
  }

  pause(): void {
    if (!this.isGone) this.#socket.pause();
  }

  resume(): void {
    if (!this.isGone) this.#socket.resume();
  }

  drain(): void {
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const written = Math.max(0, this.#socket.write(first));
      if (written < first.length) {
        this.#unsent[0] = first.subarray(written);
        return;
      }
      this.#unsent.shift();
    }
    this.#endWhenDone();
    this.onDrain?.();
  }

  gone(): void {
    this.isGone = true;
    this.#stopTimer();
    this.#unsent = [];
    const sink = this.#sink ?? this.#tunnel;
    this.#sink = undefined;
    sink?.cut?.();
    this.onGone?.();
    this.onDrain?.();
  }

  #answered(): void {
    this.#isBusy = false;
    this.onGone = undefined;
    this.#endWhenDone();
    // What the program has sent before it had its answer.
    if (!this.#closing) queueMicrotask(() => this.receive(NOTHING));
  }

  /** Not while the program still sends: it would be cut off, and many read an answer only when they have sent all. */
  #endWhenDone(): void {
    if (!this.#closing || this.#isBusy || this.#unsent.length > 0) return;
    if (this.#isBroken || !this.#parser.isMidway) this.#socket.end();
  }

  #push(bytes: Uint8Array): void {
    if (this.isGone) return;
    const written = this.#unsent.length > 0 ? 0 : Math.max(0, this.#socket.write(bytes));
    if (written < bytes.length) this.#unsent.push(bytes.subarray(written));
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
