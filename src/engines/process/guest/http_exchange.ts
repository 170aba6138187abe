/** One request that has been handed to a program of the `http` dialect: its body and its answer as they come. */
import { type Pairs, parseJson, type RequestHead, type ResponseHead } from "../../../wire/heads.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import { type BodyReceiver, pump, receiveBody } from "../../guest/bodies.ts";
import { fitsHead } from "../../guest/calls.ts";
import { fetchAt, HOP, type HttpPlace } from "./http_place.ts";
import { HttpSocket, offeredProtocols } from "./http_socket.ts";

/** Said of a place anew, or of a handshake that was declined. */
const OWN = /^(host|sec-websocket-.*)$/i;

/**
 * Requests that may be sent once more (RFC 9110, 9.2.1), as Bun does with those for which a program has just closed a kept
 * connection. Every other one has a connection of its own: nobody could tell whether the program has seen it.
 */
const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** What Bun's `fetch` says beside what went wrong: where it was asked, and how its caller could learn more. */
const FETCH_HINT = / fetching ".*$| For more information, pass .*$/s;

/** What `fetch` calls it when the program's side of a connection has ended, or was never there. */
const BROKEN = new Set(["ECONNRESET", "ECONNREFUSED", "ConnectionRefused"]);

/** How an answer came to nothing: by its connection, or by what it says. */
export type AnswerFault = "broken" | "unreadable";

/** What an exchange is given. */
export interface ExchangeParts {
  readonly place: HttpPlace;
  readonly graceMs: number;
  /** Tells the program to end. */
  terminate(): void;
  /** Resolves once it is clear that the program has not ended; when it has, the guest ends with it. */
  stillRuns(after: AnswerFault): Promise<void>;
  over(): void;
}

/** The exchange. */
export class HttpExchange implements StreamEvents {
  readonly stream: WireStream;
  readonly #request: RequestHead;
  readonly #parts: ExchangeParts;
  readonly #abort = new AbortController();
  readonly #body: BodyReceiver | undefined;
  #socket: HttpSocket | undefined;
  #timer: Timer | undefined;
  #resume: (() => void) | undefined;
  /** The program has been told to end before it had answered. */
  isTimedOut = false;

  constructor(stream: WireStream, head: Uint8Array, parts: ExchangeParts) {
    this.stream = stream;
    this.#request = parseJson(head) as RequestHead;
    this.#parts = parts;
    if (this.#request.b === 1) {
      this.#body = receiveBody(
        (bytes) => stream.consumed(bytes),
        () => {},
      );
    }
  }

  /** Hands it over. */
  run(): void {
    const { graceMs } = this.#parts;
    const strike = () => {
      this.isTimedOut = true;
      this.#parts.terminate();
    };
    const ms = Math.max(0, this.#request.d - Date.now() - graceMs);
    if (graceMs > 0) this.#timer = setTimeout(strike, ms);
    if (this.#request.w !== 1) this.#exchange();
    else if (!this.#openSocket()) {
      const message = "Cannot open a WebSocket: Sec-WebSocket-Protocol holds what is no name, or one twice";
      this.stream.reset(JSON.stringify({ code: "bad_request", message }));
      this.#over();
    }
  }

  head(): void {}

  data(payload: Uint8Array): void {
    if (this.#socket !== undefined) this.#socket.data(payload);
    else if (this.#body === undefined) this.stream.consumed(payload.length);
    else this.#body.data(payload);
  }

  end(): void {
    this.#body?.end();
  }

  reset(): void {
    this.#body?.fail(new Error("The caller has hung up"));
    this.#abort.abort();
    this.#resume?.();
    this.#socket?.gone();
  }

  writable(): void {
    this.#resume?.();
    this.#socket?.writable();
  }

  /** False when the caller's handshake is one that nobody can pass on. */
  #openSocket(): boolean {
    const { place, stillRuns } = this.#parts;
    const protocols = offeredProtocols(this.#request.h);
    if (protocols === undefined) return false;
    this.#socket = new HttpSocket(this.stream, this.#request, place, {
      ...{ protocols, stillRuns: () => stillRuns("broken") },
      // A socket may stay for as long as its caller wants.
      opened: () => clearTimeout(this.#timer),
      over: () => this.#over(),
      declined: () => {
        this.#socket = undefined;
        if (this.#abort.signal.aborted) this.#over();
        else this.#exchange();
      },
    });
    return true;
  }

  async #exchange(): Promise<void> {
    try {
      const answer = await this.#send();
      const headers = [...answer.headers].filter(([name]) => !HOP.has(name.toLowerCase())) as unknown as Pairs;
      const head: ResponseHead = { s: answer.status, h: headers };
      const text = JSON.stringify(head);
      const isStatus = answer.status >= 200 && answer.status <= 599;
      if (!fitsHead(headers, text) || !isStatus) throw new Error("its head is none that can be sent");
      this.stream.head(text);
      if (answer.body !== null) {
        await pump(answer.body, this.stream, (callback) => {
          this.#resume = callback;
        });
      }
      this.stream.end();
    } catch (error) {
      // The end of a program is told by its name, and not by what its connections came to.
      await this.#parts.stillRuns(BROKEN.has((error as { code?: string }).code ?? "") ? "broken" : "unreadable");
      // The host ends it at its deadline.
      if (this.isTimedOut) return;
      const why = error instanceof Error ? error.message.replace(FETCH_HINT, "") : error;
      const message = `The program's answer cannot be read: ${why}`;
      this.stream.reset(JSON.stringify({ code: "dialect_error", message }));
    } finally {
      this.#over();
    }
  }

  #over(): void {
    clearTimeout(this.#timer);
    if (!this.isTimedOut) this.#parts.over();
  }

  #send(): Promise<Response> {
    const { m: method, u, h } = this.#request;
    const { pathname, search, host } = new URL(u);
    const headers = h.filter(([name]) => !HOP.has(name.toLowerCase()) && !OWN.test(name));
    const { url, init } = fetchAt(this.#parts.place, pathname + search);
    return fetch(url, {
      method,
      headers: [...headers, ["host", host]] as [string, string][],
      ...(this.#body !== undefined && { body: this.#body.stream }),
      ...init,
      ...{ redirect: "manual", signal: this.#abort.signal, decompress: false, keepalive: SAFE.has(method) },
    } as RequestInit);
  }
}
