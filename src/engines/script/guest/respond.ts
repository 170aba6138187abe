/** Sends what a handler returned: a Response as it is, an async iterable as it comes, anything else as JSON. */

import type { ResponseHead } from "../../../wire/heads.ts";
import type { WireStream } from "../../../wire/stream.ts";
import { pump } from "./bodies.ts";
import { fitsHead } from "./calls.ts";
import { InvalidResult } from "./program.ts";
import { type BoundSocket, bindSocket, PairSocket } from "./sockets.ts";

/** A body that is sent whole up to this size; larger ones go through the stream and its credit. */
const WHOLE_BYTES_MAX = 64 * 1024;

const JSON_TYPE = ["content-type", "application/json"] as const;
const TEXT_TYPE = ["content-type", "text/plain; charset=utf-8"] as const;

/**
 * Sends `result` on `stream`, without the stream's end.
 * @returns the bound socket when the result accepts a WebSocket
 * @throws when the result cannot be sent, or its body fails
 */
export async function respond(
  stream: WireStream,
  result: unknown,
  onResume: (callback: () => void) => void,
): Promise<BoundSocket | undefined> {
  if (result instanceof Response) {
    const { webSocket } = result as Response & { webSocket?: unknown };
    if (webSocket instanceof PairSocket) return accept(stream, result, webSocket);
    return void (await sendResponse(stream, result, onResume));
  }
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
  onResume: (callback: () => void) => void,
): Promise<void> {
  if (response.bodyUsed) throw new InvalidResult("Cannot send the response: its body has been used already");
  const whole = ProgramResponse.textOf(response);
  const headers = pairs(response.headers);
  if (whole !== undefined) {
    head(stream, { s: response.status, h: headers });
    return sendWhole(stream, whole, onResume);
  }
  head(stream, { s: response.status, h: headers });
  const { body } = response;
  if (body !== null) await pump(body, stream, onResume);
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
  if (text.length <= WHOLE_BYTES_MAX / 3) return void stream.sendText(text);
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

/** A Response that remembers the text it was made of, and that may carry a WebSocket (status 101). */
class ProgramResponse extends NativeResponse {
  #text: string | undefined;
  #untyped = false;

  constructor(
    body?: ConstructorParameters<typeof NativeResponse>[0],
    init?: ResponseInit & { webSocket?: PairSocket | null },
  ) {
    const upgrade = init?.status === 101 && init.webSocket instanceof PairSocket;
    super(body, upgrade ? { ...init, status: 200 } : init);
    if (upgrade) Object.defineProperty(this, "webSocket", { value: init.webSocket });
    else if (typeof body === "string") {
      this.#text = body;
      this.#untyped = true;
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

  /** With the type that the standard gives to a text, which Bun leaves out until it sends. */
  override get headers(): Headers {
    const headers = super.headers;
    if (this.#untyped && !headers.has("content-type")) headers.set("content-type", "text/plain;charset=UTF-8");
    this.#untyped = false;
    return headers;
  }

  override clone(): Response {
    return this.headers && (super.clone() as Response);
  }
}

/** Puts the remembering Response in the place of the platform's. */
export function installResponse(): void {
  Object.defineProperty(ProgramResponse, "name", { value: "Response" });
  globalThis.Response = ProgramResponse as typeof Response;
}
