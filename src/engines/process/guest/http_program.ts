/**
 * The `http` dialect: a program that listens where `PORT` says, a port or the path of a Unix socket, and serves HTTP.
 *
 * Requests go to it as they are, many at a time when the function allows it, and stream both ways; so do WebSockets.
 */
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { Child } from "./child.ts";
import type { Dialect, DialectHost } from "./dialect.ts";
import { commandOf } from "./environment.ts";
import { HttpExchange } from "./http_exchange.ts";
import { fetchAt, type HttpPlace, readPlace } from "./http_place.ts";

/** How often a program that starts is asked whether it is ready, in milliseconds. */
const ASK_MS = 10;

/** A connection that was only a question has this long to be closed from the other side, in milliseconds. */
const ASK_CLOSE_MS = 1000;

/** A program whose connection has broken has this long to turn out to have ended, in milliseconds. */
const END_MS = 100;

/** The dialect. */
export class HttpProgram implements Dialect {
  readonly #host: DialectHost;
  readonly #place: HttpPlace;
  readonly #open = new Set<HttpExchange>();
  #child: Child | undefined;

  /** @throws {Error} when PORT names no place */
  constructor(host: DialectHost) {
    this.#host = host;
    this.#place = readPlace(host.env["PORT"] ?? "");
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
    const exchange: HttpExchange = new HttpExchange(stream, head, {
      ...{ place: this.#place, graceMs: this.#host.load.process?.graceMs ?? 0 },
      terminate: () => this.#child?.signal("SIGTERM"),
      stillRuns: () => Promise.race([this.#child?.ended.then(() => {}), after(END_MS)]).then(() => {}),
      over: () => this.#open.delete(exchange),
    });
    this.#open.add(exchange);
    exchange.run();
    return exchange;
  }

  get isTimedOut(): boolean {
    return [...this.#open].some(({ isTimedOut }) => isTimedOut);
  }

  async shutDown(): Promise<void> {}

  async #awaitReady(): Promise<void> {
    const { readyPath } = this.#host.load.process ?? {};
    while (!(await (readyPath === undefined ? this.#accepts() : this.#answers(readyPath)))) {
      await after(ASK_MS);
    }
    this.#host.ready();
  }

  async #accepts(): Promise<boolean> {
    // Closed in order, and not reset: servers write a reset to their logs. One that keeps its half open is cut off.
    const socket = {
      open(opened: Bun.Socket) {
        opened.end();
        setTimeout(() => opened.terminate(), ASK_CLOSE_MS);
      },
      data() {},
      error() {},
    };
    try {
      if ("unix" in this.#place) await Bun.connect({ unix: this.#place.unix, socket });
      else await Bun.connect({ hostname: "127.0.0.1", port: this.#place.port, socket });
      return true;
    } catch {
      return false;
    }
  }

  async #answers(path: string): Promise<boolean> {
    try {
      const { url, init } = fetchAt(this.#place, path);
      const answer = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(5000) });
      await answer.arrayBuffer();
      return answer.status < 500;
    } catch {
      return false;
    }
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
