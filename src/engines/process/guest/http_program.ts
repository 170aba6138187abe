/**
 * The `http` dialect: a program that listens where `PORT` says, a port or the path of a Unix socket, and serves HTTP.
 *
 * Requests go to it as they are, many at a time when the function allows it, and stream both ways.
 */
import { type Pairs, parseJson, type RequestHead, type ResponseHead } from "../../../wire/heads.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import { type BodyReceiver, pump, receiveBody } from "../../guest/bodies.ts";
import { fitsHead } from "../../guest/calls.ts";
import type { Child } from "./child.ts";
import type { Dialect, DialectHost } from "./dialect.ts";
import { commandOf } from "./environment.ts";

/** How often a program that starts is asked whether it is ready, in milliseconds. */
const ASK_MS = 10;

/** Headers between two parties of one connection. */
const HOP = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection"]);

/** The dialect. */
export class HttpProgram implements Dialect {
  readonly #host: DialectHost;
  readonly #at: { readonly unix: string } | { readonly port: number };
  readonly #open = new Set<HttpExchange>();
  #child: Child | undefined;

  /** @throws {Error} when PORT names no place */
  constructor(host: DialectHost) {
    this.#host = host;
    const place = host.env["PORT"] ?? "";
    if (!place.startsWith("/") && !/^[1-9]\d{0,4}$/.test(place)) {
      throw new Error(`Cannot start the program: PORT is "${place}", and should be a port or the path of a socket`);
    }
    this.#at = place.startsWith("/") ? { unix: place } : { port: Number(place) };
  }

  get current(): number {
    const [only, another] = this.#open;
    return another === undefined ? (only?.stream.id ?? 0) : 0;
  }

  start(): void {
    this.#child = this.#host.start(commandOf(this.#host.load), { pipes: false });
    this.#awaitReady();
  }

  open(stream: WireStream, head: Uint8Array): StreamEvents {
    const exchange = new HttpExchange(stream, head, {
      url: (path) => this.#url(path),
      unix: "unix" in this.#at ? this.#at.unix : undefined,
      over: () => this.#open.delete(exchange),
    });
    this.#open.add(exchange);
    const graceMs = this.#host.load.process?.graceMs ?? 0;
    exchange.run(graceMs, () => this.#child?.signal("SIGTERM"));
    return exchange;
  }

  get isTimedOut(): boolean {
    return [...this.#open].some(({ isTimedOut }) => isTimedOut);
  }

  async shutDown(): Promise<void> {}

  #url(path: string): string {
    return "unix" in this.#at ? `http://localhost${path}` : `http://127.0.0.1:${this.#at.port}${path}`;
  }

  async #awaitReady(): Promise<void> {
    const { readyPath } = this.#host.load.process ?? {};
    while (!(await (readyPath === undefined ? this.#accepts() : this.#answers(readyPath)))) {
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
    this.#host.ready();
  }

  async #accepts(): Promise<boolean> {
    const socket = { open: (opened: Bun.Socket) => void opened.terminate(), data() {}, error() {} };
    try {
      if ("unix" in this.#at) await Bun.connect({ unix: this.#at.unix, socket });
      else await Bun.connect({ hostname: "127.0.0.1", port: this.#at.port, socket });
      return true;
    } catch {
      return false;
    }
  }

  async #answers(path: string): Promise<boolean> {
    try {
      const unix = "unix" in this.#at ? { unix: this.#at.unix } : {};
      const answer = await fetch(this.#url(path), { ...unix, redirect: "manual", signal: AbortSignal.timeout(5000) });
      await answer.arrayBuffer();
      return answer.status < 500;
    } catch {
      return false;
    }
  }
}

interface ExchangeParts {
  url(path: string): string;
  readonly unix: string | undefined;
  over(): void;
}

/** One request that has been handed to the program. */
class HttpExchange implements StreamEvents {
  readonly stream: WireStream;
  readonly #request: RequestHead;
  readonly #parts: ExchangeParts;
  readonly #abort = new AbortController();
  readonly #body: BodyReceiver | undefined;
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

  async run(graceMs: number, terminate: () => void): Promise<void> {
    const ms = Math.max(0, this.#request.d - Date.now() - graceMs);
    const timer =
      graceMs === 0
        ? undefined
        : setTimeout(() => {
            this.isTimedOut = true;
            terminate();
          }, ms);
    try {
      const answer = await this.#send();
      const headers = [...answer.headers].filter(([name]) => !HOP.has(name.toLowerCase())) as unknown as Pairs;
      const head: ResponseHead = { s: answer.status, h: headers };
      const text = JSON.stringify(head);
      if (!fitsHead(headers, text) || answer.status < 200) throw new Error("its head is none that can be sent");
      this.stream.head(text);
      if (answer.body !== null) {
        await pump(answer.body, this.stream, (callback) => {
          this.#resume = callback;
        });
      }
      this.stream.end();
    } catch (error) {
      // The host ends it at its deadline.
      if (this.isTimedOut) return;
      const message = `The program's answer cannot be read: ${error instanceof Error ? error.message : error}`;
      this.stream.reset(JSON.stringify({ code: "dialect_error", message }));
    } finally {
      clearTimeout(timer);
      if (!this.isTimedOut) this.#parts.over();
    }
  }

  head(): void {}

  data(payload: Uint8Array): void {
    if (this.#body === undefined) this.stream.consumed(payload.length);
    else this.#body.data(payload);
  }

  end(): void {
    this.#body?.end();
  }

  reset(): void {
    this.#body?.fail(new Error("The caller has hung up"));
    this.#abort.abort();
    this.#resume?.();
  }

  writable(): void {
    this.#resume?.();
  }

  #send(): Promise<Response> {
    const { m: method, u, h } = this.#request;
    const { pathname, search, host } = new URL(u);
    const headers = h.filter(([name]) => !HOP.has(name.toLowerCase()) && name.toLowerCase() !== "host");
    const { unix } = this.#parts;
    return fetch(this.#parts.url(pathname + search), {
      method,
      headers: [...headers, ["host", host]] as [string, string][],
      ...(this.#body !== undefined && { body: this.#body.stream }),
      ...(unix !== undefined && { unix }),
      ...{ redirect: "manual", signal: this.#abort.signal, decompress: false },
    } as RequestInit);
  }
}
