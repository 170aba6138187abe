/** Sends what a handler returned: a Response as it is, an async iterable as it comes, anything else as JSON. */
import type { WireStream } from "../../../wire/connection.ts";
import type { ResponseHead } from "../../../wire/heads.ts";
import { pump } from "./bodies.ts";
import { type BoundSocket, bindSocket, PairSocket } from "./sockets.ts";

/** A body that is sent whole up to this size; larger ones go through the stream and its credit. */
const WHOLE_BYTES_MAX = 64 * 1024;

const JSON_TYPE = ["content-type", "application/json"] as const;
const PLAIN_TYPE = ["content-type", "text/plain;charset=UTF-8"] as const;
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
  head(stream, { s: 200, h: [JSON_TYPE] });
  await sendWhole(stream, JSON.stringify(result) ?? "null", onResume);
  return undefined;
}

async function sendResponse(stream: WireStream, response: Response, onResume: (callback: () => void) => void): Promise<void> {
  if (response.bodyUsed) throw new TypeError("Cannot send the response: its body has been used already");
  const whole = knownBody(response);
  const headers = pairs(response.headers);
  if (whole !== undefined) {
    // The type that the standard gives to a text, which Bun leaves out.
    if (!headers.some(([name]) => name === "content-type")) headers.push(PLAIN_TYPE);
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

function head(stream: WireStream, value: ResponseHead): void {
  stream.head(JSON.stringify(value));
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

/** The texts that responses were made of, so that the most usual answer needs no stream. */
const texts = new WeakMap<Response, string>();

function knownBody(response: Response): string | undefined {
  return texts.get(response);
}

const NativeResponse = globalThis.Response;

/** A Response that remembers the text it was made of, and that may carry a WebSocket (status 101). */
class ProgramResponse extends NativeResponse {
  constructor(body?: ConstructorParameters<typeof NativeResponse>[0], init?: ResponseInit & { webSocket?: PairSocket | null }) {
    const upgrade = init?.status === 101 && init.webSocket instanceof PairSocket;
    super(body, upgrade ? { ...init, status: 200 } : init);
    if (upgrade) Object.defineProperty(this, "webSocket", { value: init.webSocket });
    else if (typeof body === "string") texts.set(this, body);
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && NativeResponse.prototype.isPrototypeOf(value);
  }
}

/** Puts the remembering Response in the place of the platform's. */
export function installResponse(): void {
  Object.defineProperty(ProgramResponse, "name", { value: "Response" });
  globalThis.Response = ProgramResponse as typeof Response;
}
