/** A WebSocket client for tests: messages as they are waited for, and its end as a promise. */

/** A connected client. `await using` closes it. */
export class WebSocketClient implements AsyncDisposable {
  /** How the connection ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #socket: WebSocket;
  readonly #openedAt = performance.now();
  readonly #messages: (string | Uint8Array)[] = [];
  #wake: (() => void) | undefined;
  #over = false;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.#messages.push(typeof data === "string" ? data : new Uint8Array(data as ArrayBuffer));
      this.#wake?.();
    };
    this.closed = new Promise((resolve) => {
      socket.onclose = ({ code, reason }) => {
        this.#over = true;
        this.#wake?.();
        resolve({ code, reason });
      };
    });
  }

  /** Connects. @throws when the handshake is refused */
  static async connect(url: string, protocols: string[] = []): Promise<WebSocketClient> {
    const socket = new WebSocket(url, protocols);
    const client = new WebSocketClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error(`Cannot connect to ${url}`));
    });
    return client;
  }

  get protocol(): string {
    return this.#socket.protocol;
  }

  /** Milliseconds since it was opened. */
  get openMs(): number {
    return performance.now() - this.#openedAt;
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  close(code?: number, reason?: string): void {
    this.#socket.close(code, reason);
  }

  /** Drops the connection without a close. */
  terminate(): void {
    this.#socket.terminate();
  }

  /** The next message. @throws when the connection ends first */
  async next(): Promise<string | Uint8Array> {
    while (this.#messages.length === 0) {
      if (this.#over)
        throw new Error(`Cannot read a message: the socket closed with ${JSON.stringify(await this.closed)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift() as string | Uint8Array;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}

/** Asks `probe` until it has something to say. @throws when it has not within ten seconds */
export async function settled<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  for (const end = performance.now() + 10_000; performance.now() < end; ) {
    const found = await probe();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`Cannot wait for ${what}: it did not come`);
}
