/**
 * A TCP client for tests that says exactly what it is told to, byte by byte, and reads what comes back.
 *
 * It knows as much of HTTP/1.1 as it takes to tell one response from the next on a connection. Every wait has a
 * deadline, and fails with what had arrived until then.
 */
import { connect, type Socket } from "node:net";

/** A response as it came. */
export interface RawResponse {
  readonly status: number;
  /** By lower-case name; repeated ones joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const DEADLINE_MS = 10_000;

/** A connection. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  #received = "";
  #closed = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#received += chunk.toString("latin1");
      this.#wake?.();
    });
    const over = () => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.on("error", over);
    socket.on("end", over);
    socket.on("close", over);
  }

  /** Connects to a port of this machine. */
  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return client;
  }

  /** What has arrived and was not read as a response. */
  get received(): string {
    return this.#received;
  }

  /** Whether the server has closed its direction. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Sends bytes; a text stands for its Latin-1 bytes. */
  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Sends lines as a request's head, with the line ends that HTTP asks for, and `body` after it. */
  request(lines: readonly string[], body = ""): void {
    this.send(`${[...lines, "", ""].join("\r\n")}${body}`);
  }

  /** Closes this direction only. */
  halfClose(): void {
    this.socket.end();
  }

  /** Waits until `done` says so. @throws when it does not in time */
  async until(done: () => boolean, what: string, deadlineMs = DEADLINE_MS): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`Cannot wait for ${what}: got ${JSON.stringify(this.#received.slice(-500))}`)),
      deadlineMs,
    );
    try {
      while (!done()) {
        const changed = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        await Promise.race([changed, late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until the server closes; what it had sent and was not read as a response. */
  async untilClosed(deadlineMs?: number): Promise<string> {
    await this.until(() => this.#closed, "the end of the connection", deadlineMs);
    return this.#received;
  }

  /** Reads one response; `undefined` when the connection ends before one is complete. */
  async response(options: { readonly head?: boolean } = {}): Promise<RawResponse | undefined> {
    let parsed: ReturnType<typeof parseResponse>;
    await this.until(() => {
      parsed = parseResponse(this.#received, options.head === true, this.#closed);
      return parsed !== undefined || this.#closed;
    }, "a response");
    if (parsed === undefined) return undefined;
    this.#received = this.#received.slice(parsed.length);
    return parsed.response;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Sends one request on a connection of its own, and reads one response. */
export async function rawExchange(port: number, lines: readonly string[], body = ""): Promise<RawResponse | undefined> {
  using client = await RawClient.connect(port);
  client.request(lines, body);
  return await client.response({ head: lines[0]?.startsWith("HEAD ") === true });
}

function parseResponse(
  text: string,
  isHead: boolean,
  closed: boolean,
): { response: RawResponse; length: number } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [statusLine = "", ...fields] = text.slice(0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1] ?? 0);
  const headers: Record<string, string> = {};
  for (const field of fields) {
    const name = field.slice(0, field.indexOf(":")).toLowerCase();
    const value = field.slice(field.indexOf(":") + 1).trim();
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  const body = parseBody(text, end + 4, status, headers, isHead, closed);
  return body && { response: { status, headers, body: body.text }, length: body.end };
}

function parseBody(
  text: string,
  at: number,
  status: number,
  headers: Record<string, string>,
  isHead: boolean,
  closed: boolean,
) {
  if (isHead || status < 200 || status === 204 || status === 304) return { text: "", end: at };
  if (headers["transfer-encoding"] === "chunked") return parseChunks(text, at);
  const length = headers["content-length"];
  if (length === undefined) return closed ? { text: text.slice(at), end: text.length } : undefined;
  const end = at + Number(length);
  return text.length < end ? undefined : { text: text.slice(at, end), end };
}

function parseChunks(text: string, start: number): { text: string; end: number } | undefined {
  let body = "";
  for (let at = start; ; ) {
    const line = text.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(text.slice(at, line), 16);
    const end = line + 2 + size + 2;
    if (text.length < end) return undefined;
    if (size === 0) return { text: body, end };
    body += text.slice(line + 2, line + 2 + size);
    at = end;
  }
}
