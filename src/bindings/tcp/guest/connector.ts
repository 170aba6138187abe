/**
 * TCP as a program finds it on `env`: `connect()` gives a socket of the form that Cloudflare's `connect()` gives, and
 * that the WinterTC proposal of sockets has.
 */
import type { GuestBinding, GuestPort } from "../../../core/guest.ts";

/** Makes connectors. */
export const tcpGuest: GuestBinding = {
  type: "tcp",
  create: (port, { name, options }) => new TcpConnector(port, name, (options["allow"] ?? []) as readonly string[]),
};

/** What stands on `env`. */
class TcpConnector {
  readonly #port: GuestPort;
  readonly #name: string;
  /** The hosts and ports that may be reached. */
  readonly allow: readonly string[];

  constructor(port: GuestPort, name: string, allow: readonly string[]) {
    this.#port = port;
    this.#name = name;
    this.allow = allow;
  }

  /**
   * Connects to `"host:port"` or `{ hostname, port }`; to the one host that the binding names when nothing is said.
   * What goes wrong rejects `opened`, reading and writing.
   */
  connect(address: string | { readonly hostname: string; readonly port: number } = ""): TcpSocket {
    const text = typeof address === "string" ? address : `${address.hostname}:${address.port}`;
    return new TcpSocket(this.#port, this.#name, text);
  }
}

interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

/** One connection. */
class TcpSocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when the connection is there. */
  readonly opened: Promise<void>;
  /** Resolves when the far end has closed and all was read, or `close` was called. */
  readonly closed: Promise<void>;
  readonly #abort = new AbortController();
  readonly #closing = Promise.withResolvers<void>();

  constructor(port: GuestPort, name: string, address: string) {
    const outgoing = new TransformStream<Uint8Array, Uint8Array>();
    this.writable = outgoing.writable;
    const { signal } = this.#abort;
    const answer = port.call(name, {
      ...{ method: "CONNECT", url: address, headers: [], body: outgoing.readable, redirect: "manual", signal },
    });
    this.opened = answer.then(() => {});
    this.closed = this.#closing.promise;
    // Whoever waits for none of these learns it by reading or writing.
    this.opened.catch((error) => {
      this.#closing.reject(error);
      outgoing.writable.abort(error).catch(() => {});
    });
    this.closed.catch(() => {});
    let reader: ByteReader | undefined;
    this.readable = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const { body } = await answer;
            const mine: ByteReader = reader ?? (body as ReadableStream<Uint8Array>).getReader();
            reader = mine;
            const { value, done } = await mine.read();
            if (!done && value !== undefined) return controller.enqueue(value);
            controller.close();
            this.#closing.resolve();
          } catch (error) {
            this.#closing.reject(error);
            controller.error(error);
          }
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
  }

  /** Closes both directions at once. */
  async close(): Promise<void> {
    this.#closing.resolve();
    this.#abort.abort(new DOMException("The socket was closed", "AbortError"));
  }
}
