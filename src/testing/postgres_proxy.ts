/**
 * Stands between the binding and a PostgreSQL server, sees every message of both, and does with it what a test says: lets it
 * through, keeps it, puts others in its place, cuts the connection, or falls silent.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";

/** A message of the protocol; the first of a client has no type. */
export interface PgMessage {
  readonly type: string;
  readonly body: Buffer;
  /** The body as a text, for those that hold one. */
  readonly text: string;
}

/** What becomes of a message. */
export type PgVerdict =
  | "pass"
  | "drop"
  /** Both connections end. */
  | "cut"
  /** Both stay, and nothing comes any more. */
  | "silence"
  /** Goes on in its place. */
  | { readonly instead: Buffer }
  /** Goes back to whoever sent it, in the place of an answer. */
  | { readonly answer: Buffer };

/** Decides about the messages of one connection. */
export interface PgListener {
  fromClient?(message: PgMessage): PgVerdict;
  fromServer?(message: PgMessage): PgVerdict;
}

/** A message as it is sent. */
export function pgMessage(type: string, body: Uint8Array | string = ""): Buffer {
  const bytes = Buffer.from(body as string);
  const head = Buffer.alloc(5);
  head.write(type, "latin1");
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

/** An ErrorResponse. */
export function pgError(state: string, text: string): Buffer {
  return pgMessage("E", `SERROR\0VERROR\0C${state}\0M${text}\0\0`);
}

/** The proxy. */
export class PostgresProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Starts one before the server at `port` of loopback; `listen` is asked for each connection. */
  static async start(port: number, listen: () => PgListener): Promise<PostgresProxy> {
    const server = createServer();
    const proxy = new PostgresProxy(server);
    server.on("connection", (client) => proxy.#join(client, createConnection(port, "127.0.0.1"), listen()));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** The URL of a database behind it. */
  url(database: string, user: string): string {
    return `postgres://${user}:secret@127.0.0.1:${this.port}/${database}`;
  }

  /** Connections of clients that are open. */
  get open(): number {
    return this.#sockets.size / 2;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket, server: Socket, listener: PgListener): void {
    let isSilent = false;
    const end = () => {
      client.destroy();
      server.destroy();
    };
    const handle = (from: Socket, to: Socket, whole: Buffer, verdict: PgVerdict | undefined) => {
      if (isSilent) return;
      if (verdict === undefined || verdict === "pass") to.write(whole);
      else if (verdict === "cut") end();
      else if (verdict === "silence") isSilent = true;
      else if (typeof verdict === "object") {
        if ("instead" in verdict) to.write(verdict.instead);
        else from.write(verdict.answer);
      }
    };
    for (const [from, to, isClient] of [
      [client, server, true],
      [server, client, false],
    ] as const) {
      this.#sockets.add(from);
      const ask = isClient ? listener.fromClient?.bind(listener) : listener.fromServer?.bind(listener);
      const read = messageReader(isClient, (message, whole) => handle(from, to, whole, ask?.(message)));
      from
        .on("data", read)
        .on("error", end)
        .on("close", () => {
          this.#sockets.delete(from);
          end();
        });
    }
  }
}

function messageReader(isClient: boolean, told: (message: PgMessage, whole: Buffer) => void): (chunk: Buffer) => void {
  let held = Buffer.alloc(0);
  let isFirst = isClient;
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      const head = isFirst ? 0 : 1;
      if (held.length < head + 4) return;
      const length = head + held.readInt32BE(head);
      if (held.length < length) return;
      const whole = held.subarray(0, length);
      held = held.subarray(length);
      const body = whole.subarray(head + 4);
      const message = {
        type: isFirst ? "" : String.fromCharCode(whole[0] as number),
        body,
        text: body.toString("utf8"),
      };
      isFirst = false;
      told(message, whole);
    }
  };
}
