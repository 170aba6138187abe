/** Sends what a handler returned: a Response as it is, an async iterable as it comes, anything else as JSON. */

import type { ResponseHead } from "../../wire/heads.ts";
import type { WireStream } from "../../wire/stream.ts";
import { pump } from "./bodies.ts";
import { fitsHead } from "./calls.ts";
import { InvalidResult } from "./failures.ts";
import { type BoundSocket, bindSocket, PairSocket } from "./sockets.ts";

/** A text that is sent whole up to this length, 64 KiB at most; longer ones go through the stream and its credit. */
const TEXT_LENGTH_MAX = (64 * 1024) / 3;

const JSON_TYPE = ["content-type", "application/json"] as const;
const TEXT_TYPE = ["content-type", "text/plain; charset=utf-8"] as const;

/** The head of the most usual answer: a text with nothing said about it. */
const TEXT_HEAD = JSON.stringify({ s: 200, h: [["content-type", "text/plain;charset=UTF-8"]] });

/** The bound socket when the result accepts a WebSocket; a promise only where there is something to wait for. */
type Sent = BoundSocket | undefined | Promise<BoundSocket | undefined>;

/**
 * Sends `result` on `stream`, without the stream's end.
 * @throws when the result cannot be sent, or its body fails
 */
export function respond(stream: WireStream, result: unknown, onResume: (callback: () => void) => void): Sent {
  if (!(result instanceof Response)) return sendValue(stream, result, onResume);
  const { webSocket } = result as Response & { webSocket?: unknown };
  if (webSocket instanceof PairSocket) return accept(stream, result, webSocket);
  const text = ProgramResponse.textOf(result);
  if (text === undefined || text.length > TEXT_LENGTH_MAX) return sendResponse(stream, result, text, onResume);
  if (result.bodyUsed) throw bodyIsUsed();
  if (ProgramResponse.isBare(result)) stream.head(TEXT_HEAD);
  else head(stream, { s: result.status, h: pairs(result.headers) });
  if (text !== "") stream.sendText(text);
  return undefined;
}

async function sendValue(
  stream: WireStream,
  result: unknown,
  onResume: (callback: () => void) => void,
): Promise<undefined> {
  if (typeof result === "object" && result !== null && Symbol.asyncIterator in result) {
    head(stream, { s: 200, h: [TEXT_TYPE] });
    await pump(streamOf(result as AsyncIterable<Uint8Array>), stream, onResume);
    return undefined;
  }
  const text = asJson(result);
  head(stream, { s: 200, h: [JSON_TYPE] });
  await sendWhole(stream, text, onResume);
  return undefined;
}

function asJson(result: unknown): string {
  try {
    return JSON.stringify(result) ?? "null";
  } catch (error) {
    throw new InvalidResult(`Cannot send the result as JSON: ${error instanceof Error ? error.message : error}`);
  }
}

async function sendResponse(
  stream: WireStream,
  response: Response,
  text: string | undefined,
  onResume: (callback: () => void) => void,
): Promise<undefined> {
  if (response.bodyUsed) throw bodyIsUsed();
  head(stream, { s: response.status, h: pairs(response.headers) });
  const body = text === undefined ? response.body : new Blob([text]).stream();
  if (body !== null) await pump(body, stream, onResume);
}

function bodyIsUsed(): InvalidResult {
  return new InvalidResult("Cannot send the response: its body has been used already");
}

function accept(stream: WireStream, response: Response, socket: PairSocket): BoundSocket {
  head(stream, { s: 101, h: pairs(response.headers), ws: 1 });
  return bindSocket(socket, stream);
}

/** @throws {InvalidResult} what the host would take for a broken guest */
function head(stream: WireStream, value: ResponseHead): void {
  const { s: status, h: headers, ws } = value;
  const valid = ws === 1 || (Number.isInteger(status) && status >= 200 && status <= 599);
  if (!valid) throw new InvalidResult(`Cannot send the response: its status is ${status}`);
  const text = JSON.stringify(value);
  if (!fitsHead(headers, text))
    throw new InvalidResult("Cannot send the response: its headers are too many or too long");
  stream.head(text);
}

async function sendWhole(stream: WireStream, text: string, onResume: (callback: () => void) => void): Promise<void> {
  if (text === "") return;
  if (text.length <= TEXT_LENGTH_MAX) return void stream.sendText(text);
  await pump(new Blob([text]).stream(), stream, onResume);
}

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

function pairs(headers: Headers): (readonly [string, string])[] {
  return [...headers];
}

const NativeResponse = globalThis.Response;

/** Browsers leave `set-cookie` out of a response's headers: then it is kept beside them. */
let keepsCookies = false;

/** A Response that remembers the text it was made of, and that may carry a WebSocket (status 101). */
class ProgramResponse extends NativeResponse {
  #text: string | undefined;
  #untyped = false;
  /** Nothing but a text was given, and nobody has looked at the headers. */
  #bare = false;
  #cookies: readonly string[] = [];
  #own: Headers | undefined;

  constructor(
    body?: ConstructorParameters<typeof NativeResponse>[0],
    init?: ResponseInit & { webSocket?: PairSocket | null },
  ) {
    const upgrade = init?.status === 101 && init.webSocket instanceof PairSocket;
    super(body, upgrade ? { ...init, status: 200 } : init);
    if (keepsCookies && init?.headers !== undefined)
      this.#cookies = new Headers(init.headers as Bun.HeadersInit).getSetCookie();
    if (upgrade) Object.defineProperty(this, "webSocket", { value: init.webSocket });
    else if (typeof body === "string") {
      this.#text = body;
      this.#untyped = true;
      this.#bare = init === undefined && new.target === ProgramResponse;
    }
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    // biome-ignore lint/complexity/noThisInStatic: the subclass on which `instanceof` was asked
    const { prototype } = this === ProgramResponse ? NativeResponse : this;
    return Object.prototype.isPrototypeOf.call(prototype, value);
  }

  /** The text that `response` was made of, so that the most usual answer needs no stream. */
  static textOf(response: Response): string | undefined {
    return #text in response ? response.#text : undefined;
  }

  /** Whether `response` was made of a text alone, and its headers can be nothing but what follows from that. */
  static isBare(response: Response): boolean {
    // Programs may put properties of their own before those of the class.
    return #bare in response && response.#bare && response.status === 200 && !Object.hasOwn(response, "headers");
  }

  /** With the type that the standard gives to a text, which Bun leaves out until it sends. */
  override get headers(): Headers {
    const headers = keepsCookies ? this.#withCookies() : super.headers;
    if (this.#untyped && !headers.has("content-type")) headers.set("content-type", "text/plain;charset=UTF-8");
    this.#untyped = false;
    this.#bare = false;
    return headers;
  }

  override clone(): Response {
    const clone = this.headers && (super.clone() as Response);
    return keepsCookies ? new ProgramResponse(clone.body, { ...statusOf(this), headers: this.headers }) : clone;
  }

  static override json(data?: unknown, init?: ResponseInit): Response {
    if (!keepsCookies) return NativeResponse.json(data, init);
    const { body, headers } = NativeResponse.json(data, init);
    const all = new Headers(init?.headers as Bun.HeadersInit | undefined);
    for (const [name, value] of headers) all.set(name, value);
    return new ProgramResponse(body, { ...init, headers: all });
  }

  /** Headers of its own, which may hold anything. */
  #withCookies(): Headers {
    if (this.#own !== undefined) return this.#own;
    this.#own = new Headers(super.headers);
    for (const cookie of this.#cookies) this.#own.append("set-cookie", cookie);
    return this.#own;
  }
}

function statusOf({ status, statusText }: Response): ResponseInit {
  return { status, statusText };
}

/**
 * Puts the remembering Response in the place of the platform's.
 * @param options `cookies` keeps what a browser would leave out
 */
export function installResponse(options: { readonly cookies: boolean } = { cookies: false }): void {
  keepsCookies = options.cookies;
  Object.defineProperty(ProgramResponse, "name", { value: "Response" });
  globalThis.Response = ProgramResponse as typeof Response;
}
