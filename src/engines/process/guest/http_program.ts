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
import { type HttpPlace, readPlace } from "./http_place.ts";
import { awaitReady } from "./http_readiness.ts";

/**
 * A program that is not understood has this long to turn out to have ended, in milliseconds; one whose connection has broken
 * the longer time, in which Python can print a traceback and end.
 */
const END_MS = { unreadable: 100, broken: 1000 } as const;

/** The dialect. */
export class HttpProgram implements Dialect {
  readonly #host: DialectHost;
  /** Known once it is started. */
  #place: HttpPlace = { port: 0 };
  readonly #open = new Set<HttpExchange>();
  #child: Child | undefined;

  constructor(host: DialectHost) {
    this.#host = host;
  }

  get current(): number {
    const [only, another] = this.#open;
    return another === undefined ? (only?.stream.id ?? 0) : 0;
  }

  start(): void {
    this.#place = readPlace(this.#host.env["PORT"] ?? "");
    this.#child = this.#host.start(commandOf(this.#host.load), { pipes: false });
    const { readyPath } = this.#host.load.process ?? {};
    awaitReady({ place: this.#place, readyPath, note: (line) => this.#host.note(line) }).then(() => this.#host.ready());
  }

  open(stream: WireStream, head: Uint8Array): StreamEvents {
    const exchange: HttpExchange = new HttpExchange(stream, head, {
      ...{ place: this.#place, graceMs: this.#host.load.process?.graceMs ?? 0 },
      terminate: () => this.#child?.signal("SIGTERM"),
      stillRuns: async (after) => void (await Promise.race([this.#child?.ended, pause(END_MS[after])])),
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
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
