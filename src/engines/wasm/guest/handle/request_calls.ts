/**
 * Calls about the request and the answer of a module of the `handle` ABI. Their names are those of the ABI. What does not
 * fit is a fault and ends the invocation, as a trap does.
 */
import { AbiFault, type Word } from "../guest_memory.ts";
import type { HostInvocation } from "../host_calls/host_invocation.ts";

/** Text of a line of the log that is taken, in bytes. */
const LOG_BYTES_MAX = 64 * 1024;
const BODILESS = new Set([204, 205, 304]);

const NOTHING = new Uint8Array(0);

/** The calls. */
export class RequestCalls {
  readonly #invocation: HostInvocation;
  readonly #request: Request;
  #headers: Headers | undefined;
  #status = 200;
  #body: Uint8Array | undefined;
  #requestBody: Promise<Uint8Array> | undefined;

  constructor(invocation: HostInvocation, request: Request) {
    this.#invocation = invocation;
    this.#request = request;
  }

  log(pointer: Word, size: Word): void {
    const bytes = this.#invocation.memory.view("log", pointer, size);
    console.log("%s", new TextDecoder().decode(bytes.subarray(0, LOG_BYTES_MAX)));
  }

  /** The text of a status line goes nowhere: HTTP/2 and later have none. */
  response_set_status_line(status: number, pointer: Word, size: Word): void {
    this.#invocation.memory.view("response_set_status_line", pointer, size);
    if (status < 200 || status > 599) {
      throw new AbiFault(`response_set_status_line: ${status} is no status of an answer, from 200 to 599`);
    }
    this.#status = status;
  }

  response_set_header(namePointer: Word, nameSize: Word, valuePointer: Word, valueSize: Word): void {
    const name = this.#invocation.memory.text("response_set_header", namePointer, nameSize);
    const value = this.#invocation.memory.text("response_set_header", valuePointer, valueSize);
    try {
      this.#headers ??= new Headers();
      if (name.toLowerCase() === "set-cookie") this.#headers.append(name, value);
      else this.#headers.set(name, value);
    } catch {
      throw new AbiFault(`response_set_header: ${JSON.stringify(`${name}: ${value}`.slice(0, 100))} is no header`);
    }
  }

  response_set_body(pointer: Word, size: Word): void {
    this.#body = this.#invocation.memory.view("response_set_body", pointer, size).slice();
  }

  request_method(pointer: Word, size: Word): bigint {
    return this.#invocation.give("request_method", this.#request.method, pointer, size);
  }

  request_url(pointer: Word, size: Word): bigint {
    return this.#invocation.give("request_url", this.#request.url, pointer, size);
  }

  request_header(namePointer: Word, nameSize: Word, pointer: Word, size: Word): bigint {
    const name = this.#invocation.memory.text("request_header", namePointer, nameSize);
    const isName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name);
    const value = isName ? this.#request.headers.get(name) : null;
    return this.#invocation.give("request_header", value ?? undefined, pointer, size);
  }

  request_body(pointer: Word, size: Word): bigint | Promise<bigint> {
    const give = (body: Uint8Array) => this.#invocation.give("request_body", body, pointer, size);
    if (!hasBody(this.#request)) return give(NOTHING);
    this.#requestBody ??= this.#request.bytes();
    return this.#requestBody.then(give);
  }

  /** What has been set. */
  response(): Response {
    const body = BODILESS.has(this.#status) ? null : (this.#body as Uint8Array<ArrayBuffer> | undefined);
    const headers = this.#headers;
    return new Response(
      body ?? null,
      headers === undefined ? { status: this.#status } : { status: this.#status, headers },
    );
  }
}

/** Whether `request_body` may have to wait. */
export function hasBody({ method }: Request): boolean {
  return method !== "GET" && method !== "HEAD";
}

/** Whether there is a function of this name. */
export function isRequestFunction(name: string): boolean {
  return name !== "constructor" && name !== "response" && Object.hasOwn(RequestCalls.prototype, name);
}

/** Their names, for messages. */
export function requestFunctionNames(): string[] {
  return Object.getOwnPropertyNames(RequestCalls.prototype).filter(isRequestFunction);
}
