/** `wasi:http/outgoing-handler`: requests go the way of every program's `fetch`, by the host's rules. */
import { Failure, type Lifetime } from "./lifetime.ts";
import { type Awaited, Happening, Pollable } from "./poll.ts";
import type { OutgoingRequest, RequestOptions } from "./requests.ts";
import { IncomingResponse } from "./responses.ts";
import { IoError } from "./streams.ts";

interface ErrorCode {
  readonly tag: string;
  readonly val?: unknown;
}

type Answer = { readonly tag: "ok"; readonly val: IncomingResponse } | { readonly tag: "err"; readonly val: ErrorCode };

/** Codes of the host's errors, and what WASI calls them. */
const CODES: Readonly<Record<string, string>> = {
  egress_denied: "HTTP-request-denied",
  subrequest_limit: "connection-limit-reached",
};
const TIMED_OUT = "HTTP-response-timeout";
const DELAY_MS_MAX = 2 ** 31 - 1;

/** Sends a request. @throws {Failure} when it cannot be one */
export function handleOutgoing(
  lifetime: Lifetime,
  request: OutgoingRequest,
  options: RequestOptions | undefined,
): FutureIncomingResponse {
  const { url, methodName: method, outgoingBody } = request;
  if (url === undefined) throw new Failure({ tag: "HTTP-request-URI-invalid" });
  const headers = request.headers().toHeaders();
  const timeout = new AbortController();
  const signal = AbortSignal.any([lifetime.signal, timeout.signal]);
  const body = method === "GET" || method === "HEAD" ? undefined : outgoingBody?.sink.body;
  const init = { method, headers, redirect: "manual", signal, ...(body !== undefined && { body }) } as RequestInit;
  const { firstByte } = options ?? {};
  const late = () => timeout.abort(new Failure({ tag: TIMED_OUT }));
  const timer = firstByte && setTimeout(late, Math.min(Number(firstByte) / 1e6, DELAY_MS_MAX));
  const answer = fetch(url, init)
    .then(
      (response): Answer => ({ tag: "ok", val: new IncomingResponse(lifetime, response) }),
      (error): Answer => ({ tag: "err", val: codeOf(error) }),
    )
    .finally(() => timer && clearTimeout(timer));
  return new FutureIncomingResponse(lifetime, answer);
}

/** An answer that is on its way. */
export class FutureIncomingResponse {
  readonly #lifetime: Lifetime;
  readonly #arrival: Awaited;
  #answer: Answer | undefined;
  #isTaken = false;

  constructor(lifetime: Lifetime, answer: Promise<Answer>) {
    this.#lifetime = lifetime;
    this.#arrival = new Happening(
      answer.then((value) => {
        this.#answer = value;
      }),
    );
  }

  subscribe(): Pollable {
    return new Pollable(this.#lifetime, this.#arrival);
  }

  get(): object | undefined {
    if (this.#answer === undefined) return undefined;
    if (this.#isTaken) return { tag: "err", val: undefined };
    this.#isTaken = true;
    return { tag: "ok", val: this.#answer };
  }
}

/** What an error of a stream was, in the terms of HTTP; undefined when it was none of HTTP's. */
export function httpErrorCode(error: IoError): ErrorCode | undefined {
  return error instanceof IoError ? codeOf(error.error) : undefined;
}

function codeOf(thrown: unknown): ErrorCode {
  if (thrown instanceof Failure) return thrown.payload as ErrorCode;
  const { code = "", message = String(thrown) } = thrown as { readonly code?: string; readonly message?: string };
  const tag = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  return tag === undefined ? { tag: "internal-error", val: message } : { tag };
}
