/**
 * The guest's calls of bindings: each is a stream that the guest opens, shaped as an HTTP exchange.
 *
 * At most `CALLS_MAX` are open at a time; further ones wait here, so that a program which starts a thousand requests
 * at once is slowed down and not ended for breaking the protocol.
 */
import type { GuestAnswer, GuestCall, GuestPort } from "../../core/guest.ts";
import type { Connection } from "../../wire/connection.ts";
import { type AnswerHead, type CallHead, type Pairs, parseJson, type ResetReason } from "../../wire/heads.ts";
import type { StreamEvents, WireStream } from "../../wire/stream.ts";
import { pump, receiveBody } from "./bodies.ts";

/** Below the 256 streams that the host takes. */
const CALLS_MAX = 240;

/** What the host takes: headers, characters of a name or a method, characters of a head (of two bytes at most). */
const HEADERS_MAX = 256;
const NAME_LENGTH_MAX = 256;
const HEAD_LENGTH_MAX = 128 * 1024;

/** Whether the host takes a head with `headers` that is `text` as JSON; it would end a guest that sends more. */
export function fitsHead(headers: Pairs, text: string): boolean {
  if (headers.length > HEADERS_MAX || text.length > HEAD_LENGTH_MAX) return false;
  return headers.every(([name]) => name.length <= NAME_LENGTH_MAX);
}

/** What a rejected call looks like to the program: `code` is one of the catalogue. */
export class BindingError extends Error {
  override name = "BindingError";
  readonly code: string;

  constructor(reason: ResetReason) {
    super(reason.message ?? (reason.code || "The call was given up by the host"));
    this.code = reason.code;
  }
}

/** What the port needs to know of its guest. */
export interface CallOwner {
  readonly connection: Connection;
  /** The stream of the invocation that is running now; 0 when that cannot be told. */
  currentInvocation(): number;
  /** Calls went from none to some, or from some to none. */
  busy(busy: boolean): void;
}

/** The port that bindings' guest halves call. */
export function createPort(owner: CallOwner): GuestPort {
  let open = 0;
  const waiting: (() => void)[] = [];
  const release = () => {
    open -= 1;
    waiting.shift()?.();
    if (open === 0) owner.busy(false);
  };
  return {
    async call(binding, call) {
      call.signal?.throwIfAborted();
      const invocation = owner.currentInvocation();
      if (call.method.length > NAME_LENGTH_MAX) throw new TypeError("Cannot send the request: its method is too long");
      while (open >= CALLS_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
      open += 1;
      if (open === 1) owner.busy(true);
      const head: CallHead = {
        n: binding,
        i: invocation,
        m: call.method,
        u: call.url,
        h: call.headers,
        r: call.redirect,
        ...(call.body !== null && { b: 1 }),
      };
      const text = JSON.stringify(head);
      if (call.signal?.aborted || !fitsHead(call.headers, text)) {
        release();
        call.signal?.throwIfAborted();
        throw new TypeError("Cannot send the request: its address and headers are too many or too long");
      }
      return exchange(owner.connection, text, call, release);
    },
  };
}

function exchange(connection: Connection, head: string, call: GuestCall, release: () => void): Promise<GuestAnswer> {
  return new Promise((resolve, reject) => {
    let settled = false;
    const settle = () => {
      if (settled) return;
      settled = true;
      call.signal?.removeEventListener("abort", abort);
      release();
    };
    const abort = () => {
      stream.reset();
      reject(call.signal?.reason);
      body.fail(call.signal?.reason);
      settle();
    };
    const cancel = () => {
      stream.reset();
      settle();
    };
    const body = receiveBody((bytes) => stream.consumed(bytes), cancel);
    const events: StreamEvents = {
      head(payload) {
        const answer = parseJson(payload) as AnswerHead;
        const empty = answer.s === 204 || answer.s === 205 || answer.s === 304 || call.method === "HEAD";
        resolve({
          status: answer.s,
          headers: answer.h,
          url: answer.u,
          redirected: answer.rd === 1,
          body: empty ? null : body.stream,
        });
      },
      data: (payload) => body.data(payload),
      end() {
        body.end();
        // The answer is complete: whoever did not wait for the rest of the request does not want it.
        stream.reset();
        resume?.();
        settle();
      },
      reset(payload) {
        const error = new BindingError(payload.length > 0 ? (parseJson(payload) as ResetReason) : { code: "" });
        reject(error);
        body.fail(error);
        resume?.();
        settle();
      },
      writable: () => resume?.(),
    };
    let resume: (() => void) | undefined;
    const stream: WireStream = connection.open(head, events);
    call.signal?.addEventListener("abort", abort);
    if (call.body === null) stream.end();
    else {
      pump(call.body, stream, (callback) => {
        resume = callback;
      }).then(
        () => stream.end(),
        (error) => {
          stream.reset();
          reject(error);
          settle();
        },
      );
    }
  });
}
