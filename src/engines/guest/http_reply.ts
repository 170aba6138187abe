/** What a request of the program is to those who answer it: a body to take, and the way of the answer. */
import type { RequestStart } from "./http_parser.ts";

/** Takes the body of a request. */
export interface BodySink {
  data(bytes: Uint8Array): void;
  end(trailers: ReadonlyMap<string, string>): void;
  /** The connection is gone, or what came was no HTTP; nothing follows. */
  cut?(): void;
}

/** The way of one request's answer. */
export interface Reply {
  send(status: number, headers: Readonly<Record<string, string>>, body?: string | Uint8Array): void;
  /** Begins an answer whose body follows in pieces. */
  begin(status: number, headers: readonly (readonly [string, string])[]): void;
  /** A piece of the body; false when the program does not read, and `onDrain` is called once it does. */
  write(bytes: Uint8Array): boolean;
  /** Answers with `head` that the connection is no HTTP from here on: `sink` takes what comes, `write` and `finish` answer as it is. */
  tunnel(sink: BodySink, head?: string): void;
  /** Answers CONNECT: what follows on the connection are requests to whoever was named. */
  connected(): void;
  /** The body is complete, or is not and never will be. */
  finish(complete: boolean): void;
  onDrain: (() => void) | undefined;
  /** Called when the connection is gone before the answer. */
  onGone: (() => void) | undefined;
  /** Reads no more of the request for now, or reads on. */
  pause(): void;
  resume(): void;
  readonly isGone: boolean;
}

/** Answers requests: what it returns takes the body. */
export type Handler = (head: RequestStart, reply: Reply) => BodySink;
