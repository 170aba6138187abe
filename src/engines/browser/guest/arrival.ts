/**
 * From the moment at which a page has connected to that at which its program may begin: when the host has been told which
 * process is to be watched. A program whose process is not known does not run.
 */
import type { ByteSocket } from "./websocket.ts";

/** How long a page that has connected waits for that at the most, in milliseconds. */
const LOCATED_MS = 5000;

/** The arrival of one page. */
export class Arrival {
  readonly #begin: (socket: ByteSocket) => void;
  readonly #fail: () => void;
  #socket: ByteSocket | undefined;
  #isLocated = false;
  #late: Timer | undefined;

  /** @param begin is given the page's socket, once; @param fail is called when the process stays unknown */
  constructor(begin: (socket: ByteSocket) => void, fail: () => void) {
    this.#begin = begin;
    this.#fail = fail;
  }

  /** The page has connected. */
  connected(socket: ByteSocket): void {
    this.#socket = socket;
    if (this.#isLocated) this.#begin(socket);
    else this.#late = setTimeout(this.#fail, LOCATED_MS);
  }

  /** The host has been told which process is to be watched. */
  located(): void {
    if (this.#isLocated) return;
    this.#isLocated = true;
    clearTimeout(this.#late);
    if (this.#socket !== undefined) this.#begin(this.#socket);
  }

  /** Ends the connection. */
  close(): void {
    clearTimeout(this.#late);
    this.#socket?.close();
  }
}
