/** A request to a guest's server and its answer, as handlers see them. */
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
  /** The body is complete, or is not and never will be. */
  finish(complete: boolean): void;
  onDrain: (() => void) | undefined;
  /** Called when the connection is gone before the answer. */
  onGone: (() => void) | undefined;
  /** Reads no more of the request for now, or reads on. */
  pause(): void;
  resume(): void;
  readonly isGone: boolean;
  /** Answers CONNECT: what follows on this connection are requests to whoever was named. */
  openTunnel(): void;
  /** Answers with `head` and gives the connection up to what comes after HTTP: all bytes from here on are `peer`'s. */
  takeOver(head: string, peer: RawPeer): RawConnection;
}

/** A connection that is no longer HTTP, for who writes to it. */
export interface RawConnection {
  /** Sends bytes, which are copied when they do not leave at once; false when they wait, and `drained` is told once they have left. */
  transfer(bytes: Uint8Array): boolean;
  pause(): void;
  resume(): void;
  /** Ends it at once. */
  cut(): void;
}

/** Who takes what comes over such a connection. */
export interface RawPeer {
  data(bytes: Uint8Array): void;
  drained(): void;
  gone(): void;
}

/** Answers requests: what it returns takes the body. */
export type Handler = (head: RequestStart, reply: Reply) => BodySink;
