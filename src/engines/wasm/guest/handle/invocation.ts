/**
 * One invocation of a module of the `handle` ABI: the functions that it imports, and the answer that comes of them.
 * Their names are those of the ABI. What does not fit is a fault and ends the invocation, as a trap does.
 */
import { AbiFault, type GuestMemory, type Word } from "../guest_memory.ts";
import { Sockets } from "./sockets.ts";

/** The functions that a module may import from `env`. */
export const HANDLE_FUNCTIONS = [
  ...(["log", "response_set_status_line", "response_set_header", "response_set_body"] as const),
  ...(["request_method", "request_url", "request_header", "request_body"] as const),
  ...(["db_get", "tcp_connect", "tcp_read", "tcp_write"] as const),
] as const;

/** Whether there is a function of this name. */
export function isHandleFunction(name: string): boolean {
  return (HANDLE_FUNCTIONS as readonly string[]).includes(name);
}

/** Whether a function may have to wait in this invocation, so that the module's stack must be suspended for it. */
export function mayWait(name: string, { request, database }: HandleInvocation): boolean {
  if (name === "db_get") return database !== undefined;
  if (name === "request_body") return request.method !== "GET" && request.method !== "HEAD";
  return name.startsWith("tcp_");
}

/** What a module needs of its KV binding. */
interface Database {
  get(key: string, type: "bytes"): Promise<Uint8Array | null>;
}

/** Text of a line of the log that is taken, in bytes. */
const LOG_BYTES_MAX = 64 * 1024;
const BODILESS = new Set([204, 205, 304]);

const NOTHING = new Uint8Array(0);

const encoder = new TextEncoder();

/** The invocation. */
export class HandleInvocation {
  /** Another one once there is an instance. */
  memory: GuestMemory;
  readonly request: Request;
  readonly database: Database | undefined;
  readonly #variables: Readonly<Record<string, string>>;
  readonly #sockets: Sockets;
  readonly #headers = new Headers();
  #status = 200;
  #body: Uint8Array | undefined;
  #requestBody: Promise<Uint8Array> | undefined;

  /** @param memory holds nothing, and is what there is until there is an instance */
  constructor(
    request: Request,
    env: Readonly<Record<string, unknown>>,
    variables: Readonly<Record<string, string>>,
    memory: GuestMemory,
  ) {
    this.request = request;
    this.memory = memory;
    this.#variables = variables;
    this.#sockets = new Sockets(env);
    const database = Object.hasOwn(env, "DB") ? env["DB"] : undefined;
    const isDatabase = typeof database === "object" && database !== null && "get" in database;
    this.database = isDatabase ? (database as Database) : undefined;
  }

  log = (pointer: Word, size: Word): void => {
    const bytes = this.memory.view("log", pointer, size);
    console.log("%s", new TextDecoder().decode(bytes.subarray(0, LOG_BYTES_MAX)));
  };

  /** The text of a status line goes nowhere: HTTP/2 and later have none. */
  response_set_status_line = (status: number, pointer: Word, size: Word): void => {
    this.memory.view("response_set_status_line", pointer, size);
    if (status < 200 || status > 599) {
      throw new AbiFault(`response_set_status_line: ${status} is no status of an answer, from 200 to 599`);
    }
    this.#status = status;
  };

  response_set_header = (namePointer: Word, nameSize: Word, valuePointer: Word, valueSize: Word): void => {
    const name = this.memory.text("response_set_header", namePointer, nameSize);
    const value = this.memory.text("response_set_header", valuePointer, valueSize);
    try {
      if (name.toLowerCase() === "set-cookie") this.#headers.append(name, value);
      else this.#headers.set(name, value);
    } catch {
      throw new AbiFault(`response_set_header: ${JSON.stringify(`${name}: ${value}`.slice(0, 100))} is no header`);
    }
  };

  response_set_body = (pointer: Word, size: Word): void => {
    this.#body = this.memory.view("response_set_body", pointer, size).slice();
  };

  request_method = (pointer: Word, size: Word): bigint => {
    return this.memory.give("request_method", encoder.encode(this.request.method), pointer, size);
  };

  request_url = (pointer: Word, size: Word): bigint => {
    return this.memory.give("request_url", encoder.encode(this.request.url), pointer, size);
  };

  request_header = (namePointer: Word, nameSize: Word, pointer: Word, size: Word): bigint => {
    const name = this.memory.text("request_header", namePointer, nameSize);
    const isName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
    const value = isName ? this.request.headers.get(name) : null;
    const bytes = value === null ? undefined : encoder.encode(value);
    return this.memory.give("request_header", bytes, pointer, size);
  };

  request_body = (pointer: Word, size: Word): bigint | Promise<bigint> => {
    const give = (body: Uint8Array) => this.memory.give("request_body", body, pointer, size);
    if (!mayWait("request_body", this)) return give(NOTHING);
    this.#requestBody ??= this.request.bytes();
    return this.#requestBody.then(give);
  };

  db_get = (keyPointer: Word, keySize: Word, pointer: Word, size: Word): bigint | Promise<bigint> => {
    const key = this.memory.text("db_get", keyPointer, keySize);
    const give = (value: Uint8Array | undefined) => this.memory.give("db_get", value, pointer, size);
    if (Object.hasOwn(this.#variables, key)) return give(encoder.encode(this.#variables[key]));
    if (this.database === undefined) return give(undefined);
    return this.database.get(key, "bytes").then((value) => give(value ?? undefined));
  };

  tcp_connect = async (pointer: Word, size: Word): Promise<number> => {
    return this.#sockets.connect(this.memory.text("tcp_connect", pointer, size));
  };

  tcp_read = async (socket: number, pointer: Word, size: Word): Promise<bigint> => {
    const bytes = await this.#sockets.read(socket, this.memory.view("tcp_read", pointer, size).length);
    if (bytes === undefined) return -1n;
    // The memory may have moved meanwhile, if another of the module's stacks made it grow.
    this.memory.view("tcp_read", pointer, bytes.length).set(bytes);
    return BigInt(bytes.length);
  };

  tcp_write = async (socket: number, pointer: Word, size: Word): Promise<bigint> => {
    const bytes = this.memory.view("tcp_write", pointer, size).slice();
    return (await this.#sockets.write(socket, bytes)) ? BigInt(bytes.length) : -1n;
  };

  /** What has been set. */
  response(): Response {
    const body = BODILESS.has(this.#status) ? null : (this.#body as Uint8Array<ArrayBuffer> | undefined);
    return new Response(body ?? null, { status: this.#status, headers: this.#headers });
  }

  /** Ends what the module has left open. */
  close(): void {
    this.#sockets.close();
  }
}
