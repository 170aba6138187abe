/**
 * The guest's calls of bindings: each is a stream that the guest opens, shaped as an HTTP exchange.
 *
 * At most `CALLS_MAX` are open at a time; further ones wait here, so that a program which starts a thousand requests
 * at once is slowed down and not ended for breaking the protocol.
 */
import type { GuestAnswer, GuestCall, GuestPort } from "../../../core/guest.ts";
import type { Connection, StreamEvents, WireStream } from "../../../wire/connection.ts";
import { type AnswerHead, type CallHead, parseJson, type ResetReason } from "../../../wire/heads.ts";
import { pump, receiveBody } from "./bodies.ts";

const CALLS_MAX = 128;

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
      if (open >= CALLS_MAX) await new Promise<void>((resolve) => waiting.push(resolve));
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
      return exchange(owner.connection, head, call, release);
    },
  };
}

function exchange(connection: Connection, head: CallHead, call: GuestCall, release: () => void): Promise<GuestAnswer> {
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
    const stream: WireStream = connection.open(JSON.stringify(head), events);
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
