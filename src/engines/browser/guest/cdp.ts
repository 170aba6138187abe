/**
 * The Chrome DevTools Protocol over a pair of pipes (`--remote-debugging-pipe`): calls, their answers, events.
 *
 * Messages are JSON texts that end with a zero byte. There is no port that anything in the sandbox could connect to, and
 * the browser ends when the pipes do.
 */

/** Parameters, results and events of the protocol. */
export type CdpValue = Readonly<Record<string, unknown>>;

/** Who hears of events. */
export interface CdpListener {
  event(method: string, params: CdpValue, session: string | undefined): void;
  /** The browser is gone, or speaks no more. */
  end(): void;
}

/** The browser has refused a call, or did not answer it. */
export class CdpError extends Error {
  override name = "CdpError";
}

/** A call that takes longer shows a browser that is stuck, in milliseconds. */
const CALL_MS_MAX = 10_000;

/** The largest message that is read, in bytes: a PDF in base64 is the largest that is asked for. */
const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;

interface Pending {
  resolve(value: CdpValue): void;
  reject(error: Error): void;
  readonly timer: Timer;
}

type PipeSocket = Bun.Socket<undefined>;

/** The protocol's end on our side. */
export class Cdp {
  readonly #listener: CdpListener;
  readonly #pending = new Map<number, Pending>();
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  #out: PipeSocket | undefined;
  #unsent: Uint8Array[] = [];
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** The rest of a message that is too large is still to come. */
  #isSkipping = false;
  #next = 1;
  #ended = false;

  /** @param write the descriptor to which messages are written, @param read the one from which they are read */
  constructor(write: number, read: number, listener: CdpListener) {
    this.#listener = listener;
    const end = () => this.#end();
    connect(write, {
      open: (socket) => {
        this.#out = socket;
        this.#drain();
      },
      drain: () => this.#drain(),
      data() {},
      close: end,
      error: end,
    });
    connect(read, { data: (_socket, bytes) => this.#take(bytes), close: end, error: end });
  }

  /** Calls a method of the browser, or of the target that `session` is attached to. @throws {CdpError} */
  call(method: string, params: CdpValue = {}, session?: string): Promise<CdpValue> {
    if (this.#ended) return Promise.reject(new CdpError(`Cannot call ${method}: the browser is gone`));
    const id = this.#next++;
    const message = { id, method, params, ...(session !== undefined && { sessionId: session }) };
    return new Promise((resolve, reject) => {
      const late = () => {
        this.#pending.delete(id);
        reject(new CdpError(`The browser did not answer ${method}`));
      };
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, CALL_MS_MAX) });
      this.#write(this.#encoder.encode(`${JSON.stringify(message)}\0`));
    });
  }

  #write(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    if (this.#unsent.length === 1) this.#drain();
  }

  #drain(): void {
    if (this.#out === undefined) return;
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const written = Math.max(0, this.#out.write(first));
      if (written < first.length) {
        this.#unsent[0] = first.subarray(written);
        return;
      }
      this.#unsent.shift();
    }
  }

  #take(bytes: Uint8Array): void {
    let from = 0;
    for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, from)) {
      if (this.#isSkipping) {
        this.#isSkipping = false;
        from = at + 1;
        continue;
      }
      this.#held.push(bytes.subarray(from, at));
      const text =
        this.#held.map((part) => this.#decoder.decode(part, { stream: true })).join("") + this.#decoder.decode();
      this.#held = [];
      this.#heldBytes = 0;
      from = at + 1;
      this.#receive(text);
    }
    if (from === bytes.length || this.#isSkipping) return;
    this.#held.push(bytes.slice(from));
    this.#heldBytes += bytes.length - from;
    if (this.#heldBytes > MESSAGE_BYTES_MAX) this.#skip();
  }

  /** Reads no more of a message: its call fails, and nothing else does. */
  #skip(): void {
    const start = Buffer.from(this.#held[0]?.subarray(0, 32) ?? []).toString("latin1");
    const id = Number(/^\{"id":(\d+)/.exec(start)?.[1]);
    this.#held = [];
    this.#heldBytes = 0;
    this.#isSkipping = true;
    this.#settle(id)?.reject(new CdpError(`The browser's answer is larger than ${MESSAGE_BYTES_MAX} bytes`));
  }

  /** The call of a number, which is answered. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as {
      id?: number;
      method?: string;
      params?: CdpValue;
      result?: CdpValue;
      error?: { message?: string };
      sessionId?: string;
    };
    if (message.id === undefined) {
      return this.#listener.event(message.method ?? "", message.params ?? {}, message.sessionId);
    }
    const pending = this.#settle(message.id);
    if (message.error === undefined) pending?.resolve(message.result ?? {});
    else pending?.reject(new CdpError(message.error.message ?? "The browser refused a call"));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new CdpError("The browser is gone"));
    }
    this.#pending.clear();
    this.#listener.end();
  }
}

function connect(fd: number, socket: Bun.SocketHandler<undefined>): void {
  // The types know no `fd` without an address.
  Bun.connect({ fd, socket } as unknown as Bun.UnixSocketOptions<undefined>).catch(() =>
    socket.close?.(undefined as never),
  );
}
