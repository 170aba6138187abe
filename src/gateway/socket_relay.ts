/**
 * Joins a client's WebSocket with the one that a function has accepted, under back-pressure in both directions.
 *
 * What a function sends is acknowledged to it when it has left for the client. What a client sends while the function
 * has no credit waits here, under a bound: a client cannot be told to wait, so beyond it the socket closes (1013).
 */
import type { InvocationSocket, SocketMessage } from "../core/invocation.ts";

/** What is needed of the client's end. */
export interface ClientSocket {
  /** Bytes that were sent; 0 when the message was dropped, -1 when it waits for the client. */
  send(message: SocketMessage): number;
  close(code?: number, reason?: string): void;
}

/** Bytes of a client's messages that may wait for the function, beside the one that came last. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** What an empty message costs while it waits. */
const MESSAGE_BYTES = 64;

/** The relay of one pair. */
export class SocketRelay {
  readonly #far: InvocationSocket;
  readonly #waiting: SocketMessage[] = [];
  #waitingBytes = 0;
  #client: ClientSocket | undefined;
  #unsentBytes = 0;
  #closed = false;

  readonly #messageBytesMax: number;

  /** @param messageBytesMax the largest message that the function may send */
  constructor(far: InvocationSocket, messageBytesMax: number) {
    this.#far = far;
    this.#messageBytesMax = messageBytesMax;
  }

  /** The handshake is done. */
  open(client: ClientSocket): void {
    this.#client = client;
    this.#far.listen({
      message: (message) => this.#toClient(client, message),
      close: (code, reason) => this.#closeClient(code, reason),
      writable: () => this.#deliver(),
    });
  }

  /** The client sent a message. */
  message(message: SocketMessage): void {
    if (this.#closed) return;
    this.#waiting.push(message);
    this.#waitingBytes += message.length + MESSAGE_BYTES;
    this.#deliver();
    if (this.#waiting.length > 1 && this.#waitingBytes > WAITING_BYTES_MAX)
      this.#cut(1013, "The function does not keep up");
  }

  /** The client has taken what waited for it. */
  drain(): void {
    const bytes = this.#unsentBytes;
    this.#unsentBytes = 0;
    if (bytes > 0) this.#far.drained(bytes);
  }

  /** The client closed, or is gone. */
  close(code: number, reason: string): void {
    this.#closed = true;
    this.#far.close(code, reason);
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const message = this.#waiting[0] as SocketMessage;
      if (!this.#far.send(message)) return;
      this.#waiting.shift();
      this.#waitingBytes -= message.length + MESSAGE_BYTES;
    }
  }

  #toClient(client: ClientSocket, message: SocketMessage): void {
    // One byte of opcode went with each message under the credit.
    const bytes = (typeof message === "string" ? Buffer.byteLength(message) : message.length) + 1;
    if (bytes - 1 > this.#messageBytesMax) {
      return this.#cut(1009, `A message of the function is over ${this.#messageBytesMax} bytes`);
    }
    if (client.send(message) === -1) this.#unsentBytes += bytes;
    else this.#far.drained(bytes);
  }

  /** Closes both ends. */
  #cut(code: number, reason: string): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#closeClient(code, reason);
    this.#far.close(code, reason);
  }

  #closeClient(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#client?.close(code, reason);
  }
}
