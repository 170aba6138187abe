/**
 * The TCP connections of one invocation, by the numbers that its module knows them by. Which may be made is the host's
 * to say; what goes wrong is -1 for the module and a line in its log.
 */

/** A connection, as the guest half of the TCP binding makes it. */
interface Socket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly opened: Promise<void>;
  close(): Promise<void>;
}

interface Connector {
  readonly allow: readonly string[];
  connect(address: string): Socket;
}

interface ByteReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

interface Open {
  readonly socket: Socket;
  readonly reader: ByteReader;
  readonly writer: { write(bytes: Uint8Array): Promise<void> };
  /** Received and not yet read. */
  rest: Uint8Array;
}

/** Connections that an invocation may have made, closed ones included: a module cannot close any. */
const SOCKETS_MAX = 64;
/** Below are what programs know as standard streams. */
const FIRST_NUMBER = 3;

const NOTHING = new Uint8Array(0);

/** The connections. */
export class Sockets {
  readonly #env: Readonly<Record<string, unknown>>;
  readonly #open = new Map<number, Open>();

  constructor(env: Readonly<Record<string, unknown>>) {
    this.#env = env;
  }

  /** Connects to `host:port`; -1 when that fails. */
  async connect(address: string): Promise<number> {
    try {
      if (this.#open.size >= SOCKETS_MAX) throw new Error(`there are ${SOCKETS_MAX} connections already`);
      const socket = this.#connectorOf(address).connect(address);
      const number = FIRST_NUMBER + this.#open.size;
      const open = { socket, reader: socket.readable.getReader(), writer: socket.writable.getWriter(), rest: NOTHING };
      this.#open.set(number, open);
      await socket.opened;
      return number;
    } catch (error) {
      return warn(`tcp_connect ${address.slice(0, 100)}`, error);
    }
  }

  /** Up to `size` bytes, none at the end of the stream; undefined when reading fails. */
  async read(number: number, size: number): Promise<Uint8Array | undefined> {
    const open = this.#open.get(number);
    try {
      if (open === undefined) throw new Error("there is no such connection");
      if (open.rest.length === 0 && size > 0) open.rest = (await open.reader.read()).value ?? NOTHING;
      const taken = open.rest.subarray(0, size);
      open.rest = open.rest.subarray(taken.length);
      return taken;
    } catch (error) {
      warn(`tcp_read ${number}`, error);
      return undefined;
    }
  }

  /** Writes all of `bytes`; false when that fails. */
  async write(number: number, bytes: Uint8Array): Promise<boolean> {
    try {
      const open = this.#open.get(number);
      if (open === undefined) throw new Error("there is no such connection");
      if (bytes.length > 0) await open.writer.write(bytes);
      return true;
    } catch (error) {
      warn(`tcp_write ${number}`, error);
      return false;
    }
  }

  /** Closes all of them. */
  close(): void {
    for (const { socket } of this.#open.values()) socket.close().catch(() => {});
    this.#open.clear();
  }

  /** The binding that names the address, or else the first one: the host says what is wrong with it. */
  #connectorOf(address: string): Connector {
    const all = Object.values(this.#env).filter(isConnector);
    const connector = all.find(({ allow }) => allow.includes(address)) ?? all[0];
    if (connector === undefined) throw new Error("the function has no binding of type tcp");
    return connector;
  }
}

function isConnector(value: unknown): value is Connector {
  return typeof value === "object" && value !== null && "connect" in value && "allow" in value;
}

function warn(what: string, error: unknown): -1 {
  console.warn("%s", `${what}: ${error instanceof Error ? error.message : error}`);
  return -1;
}
