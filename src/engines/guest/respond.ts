/** Sends what a handler returned: a Response as it is, an async iterable as it comes, anything else as JSON. */

import type { ResponseHead } from "../../wire/heads.ts";
import type { WireStream } from "../../wire/stream.ts";
import { pump } from "./bodies.ts";
import { fitsHead } from "./calls.ts";
import { InvalidResult } from "./failures.ts";
import { ProgramResponse } from "./program_response.ts";
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
