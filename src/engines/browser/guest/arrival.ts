/**
 * From the moment at which a page has connected to that at which its program may begin: when the host watches its process.
 *
 * A program that computes holds up the trace by which its process is found, so that it is not begun before.
 */
import type { ByteSocket } from "./websocket.ts";

/** How long a page waits at the most, in milliseconds. */
const LOCATED_MS = 250;

/** The arrival of one page. */
export class Arrival {
  /** Settles when the page has connected: before that, another process may be its renderer. */
  readonly arrived: Promise<void>;
  readonly #begin: (socket: ByteSocket) => void;
  #arrive: () => void = () => {};
  #socket: ByteSocket | undefined;
  #isLocated = false;
  #hasBegun = false;

  /** @param begin is given the page's socket, once */
  constructor(begin: (socket: ByteSocket) => void) {
    this.#begin = begin;
    this.arrived = new Promise((resolve) => {
      this.#arrive = resolve;
    });
  }

  /** The page has connected. */
  connected(socket: ByteSocket): void {
    this.#socket = socket;
    this.#arrive();
    if (this.#isLocated) this.located();
    else setTimeout(() => this.located(), LOCATED_MS);
  }

  /** The host knows which process is to be watched, or will not. */
  located(): void {
    this.#isLocated = true;
    if (this.#socket === undefined || this.#hasBegun) return;
    this.#hasBegun = true;
    this.#begin(this.#socket);
  }

  /** Ends the connection. */
  close(): void {
    this.#socket?.close();
  }
}
