/**
 * What a runtime posts as the answer of an invocation: whole, or as it comes. The bytes go to the caller; what is wrong
 * with them is told to the runtime and to the caller alike.
 */

import type { BodySink, Reply } from "../../guest/http_reply.ts";
import { EventError } from "./events/http_event.ts";
import { ANSWER_BYTES_MAX, type EventInvocation } from "./invocation.ts";
import { isPrelude, PreludeReader } from "./prelude.ts";
import { type ApiError, TRUNCATED, tooLarge } from "./runtime_state.ts";

/** Told how it went. */
export interface ResponseEnd {
  /** All of it has been taken. */
  complete(): void;
  /** It was refused; `error` is for the runtime, and the caller has been told. */
  refused(error: ApiError): void;
}

/** The code of an answer that is none, for who called. */
const VIOLATION = "dialect_error";

/** Takes an answer in the mode that its headers name; undefined when that is none. */
export function responseSink(
  invocation: EventInvocation,
  headers: ReadonlyMap<string, string>,
  reply: Reply,
  end: ResponseEnd,
): BodySink | undefined {
  const mode = headers.get("lambda-runtime-function-response-mode");
  const type = headers.get("content-type");
  // AWS's library for Go says by the type alone that it streams.
  const streams = mode === "streaming" || (mode === undefined && isPrelude(type));
  if (streams) return streamedResponse(invocation, type, reply, end);
  return mode === undefined ? wholeResponse(invocation, end) : undefined;
}

/** Takes an answer that is sent whole. */
function wholeResponse(invocation: EventInvocation, end: ResponseEnd): BodySink {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let isOver = false;
  const refuse = (code: string, error: ApiError) => {
    isOver = true;
    invocation.fail(code, error.errorMessage);
    end.refused(error);
  };
  return {
    data(chunk) {
      bytes += chunk.length;
      if (isOver) return;
      if (bytes > ANSWER_BYTES_MAX) refuse("response_limit", tooLarge(ANSWER_BYTES_MAX));
      else chunks.push(chunk);
    },
    end(trailers) {
      if (isOver) return;
      const failure = trailerError(trailers);
      if (failure !== undefined) {
        invocation.fail(...failure, true);
        return end.complete();
      }
      const [only = NOTHING, ...others] = chunks;
      const bytes = others.length === 0 ? only : Buffer.concat(chunks);
      invocation.answer(UTF8.decode(bytes)).then(
        () => end.complete(),
        (error) => refuse(VIOLATION, unreadable(error)),
      );
    },
    cut() {
      if (!isOver) refuse(VIOLATION, TRUNCATED);
    },
  };
}

/** Takes an answer that is streamed: with a prelude, or as bytes of the type that the runtime names. */
function streamedResponse(
  invocation: EventInvocation,
  contentType: string | undefined,
  reply: Reply,
  end: ResponseEnd,
): BodySink {
  // Who calls by the invoke API has it as it is.
  const prelude = isPrelude(contentType) && !invocation.isCall ? new PreludeReader() : undefined;
  let hasBegun = false;
  let isOver = false;
  let writing: Promise<void> = Promise.resolve();
  const refuse = (error: ApiError, message = error.errorMessage) => {
    if (isOver) return;
    isOver = true;
    invocation.fail(VIOLATION, message);
    end.refused(error);
  };
  const begin = (bytes: Uint8Array): Uint8Array => {
    if (prelude === undefined) {
      invocation.begin({ status: 200, headers: [["content-type", contentType ?? "application/octet-stream"]] });
      hasBegun = true;
      return bytes;
    }
    const read = prelude.push(bytes);
    if (read === undefined) return NOTHING;
    invocation.begin(read.head);
    hasBegun = true;
    return read.rest;
  };
  const take = (bytes: Uint8Array) => {
    if (isOver) return;
    try {
      const rest = hasBegun ? bytes : begin(bytes);
      if (rest.length === 0) return;
      // The runtime is read again when the caller has room.
      reply.pause();
      const mine = writing.then(() => invocation.write(rest));
      writing = mine;
      mine.then(() => {
        if (writing === mine) reply.resume();
      });
    } catch (error) {
      refuse(unreadable(error));
    }
  };
  return {
    data: take,
    end(trailers) {
      if (!hasBegun) take(prelude === undefined ? NOTHING : END_OF_PRELUDE);
      writing.then(() => {
        if (isOver) return;
        isOver = true;
        const failure = trailerError(trailers);
        if (failure !== undefined) invocation.fail(...failure, true);
        end.complete();
      });
    },
    cut: () => refuse(TRUNCATED, "The program's answer was cut off before it was complete."),
  };
}

const NOTHING = new Uint8Array(0);
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
/** A runtime that has nothing to say after its prelude may leave out what separates the two. */
const END_OF_PRELUDE = new Uint8Array(8);

function unreadable(error: unknown): ApiError {
  const errorMessage = error instanceof EventError ? error.message : "Cannot send the program's result";
  return { status: 400, errorType: "InvalidResponse", errorMessage };
}

/** What the trailers of an answer say that it failed of; undefined when they say nothing. */
function trailerError(trailers: ReadonlyMap<string, string>): ReturnType<typeof functionError> | undefined {
  const errorType = trailers.get("lambda-runtime-function-error-type");
  if (errorType === undefined) return undefined;
  const body = Buffer.from(trailers.get("lambda-runtime-function-error-body") ?? "", "base64").toString("utf8");
  return functionError(errorType, body);
}

/** A line of a stack: text in most languages, in Go an object. */
function frameText(frame: unknown): string {
  if (typeof frame !== "object" || frame === null) return String(frame);
  const { label, path, line } = frame as Record<string, unknown>;
  return typeof path === "string" ? `${label} (${path}:${line})` : JSON.stringify(frame);
}

/** Code, message and stack of an error that a runtime reports, in AWS's form. */
export function functionError(errorType: string | undefined, body: string): [string, string, string | undefined] {
  let error: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null) error = value as Record<string, unknown>;
  } catch {
    // What the runtime says is no object: the type alone stands.
  }
  const type = typeof error["errorType"] === "string" ? error["errorType"] : (errorType ?? "Error");
  const message = typeof error["errorMessage"] === "string" ? error["errorMessage"] : body.slice(0, 1000);
  const { stackTrace } = error;
  const stack = Array.isArray(stackTrace) ? stackTrace.map(frameText).join("\n").slice(0, 16_384) : undefined;
  return ["uncaught_exception", message === "" ? type : `${type}: ${message}`, stack];
}

/** What an answer is that says how its handler failed, in AWS's form. */
export function errorOf(line: string): ReturnType<typeof functionError> | undefined {
  if (!line.includes('"errorType"')) return undefined;
  try {
    const value = JSON.parse(line) as Record<string, unknown> | null;
    const isError = typeof value?.["errorType"] === "string" && typeof value["errorMessage"] === "string";
    return isError ? functionError(undefined, line) : undefined;
  } catch {
    return undefined;
  }
}
