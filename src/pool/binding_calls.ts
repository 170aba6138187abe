/**
 * The host's side of a guest's calls: finds the binding, attributes the call to an invocation, streams both bodies.
 * A call without a running invocation is refused: what runs between invocations has no rights. A call ends with its
 * invocation at the latest.
 */
import type { BindingAnswer, BindingCall, BindingSet, CallScope, Grants } from "../core/binding.ts";
import { errorBody, IsopodError, toIsopodError } from "../core/errors.ts";
import type { Body } from "../core/invocation.ts";
import { DATA_BYTES_MAX } from "../wire/frame.ts";
import { type AnswerHead, type CallHead, parseCallHead } from "../wire/heads.ts";
import type { StreamEvents, WireStream } from "../wire/stream.ts";
import { AnswerBody } from "./answer.ts";
import { CallOwner } from "./call_owner.ts";
import { limitError } from "./figures.ts";
import { type Ask, findHeld } from "./held_bindings.ts";
import type { RunningInvocation } from "./invocation.ts";

/** What calls need of the instance on which they are made. */
export interface CallHost {
  readonly bindings: BindingSet;
  readonly grants: Grants;
  readonly project: string;
  readonly functionName: string | undefined;
  /** The invocation whose stream is `id`; when the guest cannot tell (0), those that run. */
  candidates(id: number): readonly RunningInvocation[];
  deadlineOf(invocation: RunningInvocation): number;
  /** Reports what is our mistake. */
  report(error: IsopodError): void;
}

/** Takes a stream that the guest has opened. @throws {WireError} when its head is invalid */
export function acceptCall(host: CallHost, stream: WireStream, payload: Uint8Array): StreamEvents | undefined {
  const head = parseCallHead(payload);
  const ask = findHeld(head.n, host.grants, host.bindings);
  const candidates = host.candidates(head.i);
  if (ask === undefined || candidates.length === 0) {
    const message = `Cannot call "${head.n.slice(0, 64)}": no invocation or no such binding`;
    stream.reset(JSON.stringify({ code: "binding_denied", message }));
    return undefined;
  }
  const call = new HostedCall(host, stream, candidates, head);
  call.run(ask, head);
  return call;
}

class HostedCall implements StreamEvents {
  readonly #host: CallHost;
  readonly #stream: WireStream;
  readonly #owner: CallOwner<RunningInvocation>;
  readonly #abort = new AbortController();
  readonly #upload: AnswerBody | undefined;
  #wake: (() => void) | undefined;
  /** The limit of the invocation that the call has broken. */
  #broken: IsopodError | undefined;

  constructor(host: CallHost, stream: WireStream, candidates: readonly RunningInvocation[], head: CallHead) {
    this.#host = host;
    this.#stream = stream;
    this.#owner = new CallOwner(candidates, (error) => this.#abort.abort(error));
    if (head.b === 1) {
      this.#upload = new AnswerBody({ consumed: (bytes) => stream.consumed(bytes), cancelled() {} });
    }
    this.#abort.signal.addEventListener("abort", () => this.#abandon());
  }

  async run(ask: Ask, head: CallHead): Promise<void> {
    const upload = this.#upload?.open() as ReadableStream<Uint8Array> | undefined;
    const call: BindingCall = {
      method: head.m,
      url: head.u,
      headers: head.h,
      body: upload ?? null,
      redirect: head.r ?? "follow",
    };
    try {
      const answer = await ask(call, this.#scope());
      if (this.#abort.signal.aborted) return void discard(answer.body);
      this.#sendHead(answer);
      await this.#sendBody(answer.body);
      this.#stream.end();
    } catch (error) {
      this.#refuse(toIsopodError(error));
    } finally {
      this.#forget();
    }
  }

  /** The call is given up, by the guest or by the end of its invocation: nobody waits for credit any more. */
  #abandon(): void {
    this.#stream.reset();
    this.#upload?.fail(new IsopodError("client_gone"));
    this.writable();
  }

  head(): void {}

  data(payload: Uint8Array): void {
    if (this.#upload !== undefined) this.#upload.push(payload);
    else this.#stream.consumed(payload.length);
  }

  end(): void {
    this.#upload?.end();
    this.#forget();
  }

  /** Until both directions are over, the end of the invocation must find it. */
  #forget(): void {
    if (this.#stream.over) this.#owner.release();
  }

  reset(): void {
    this.#abort.abort(new IsopodError("client_gone"));
  }

  writable(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #scope(): CallScope {
    const owner = this.#owner;
    const { request } = owner.current;
    const strike = (name: "subrequestsMax" | "subrequestBytesMax") => {
      this.#broken = limitError("subrequest_limit", name, owner.current.meter.limits);
      throw this.#broken;
    };
    return {
      requestId: request.requestId,
      project: this.#host.project,
      functionName: this.#host.functionName,
      depth: request.depth ?? 0,
      signal: this.#abort.signal,
      deadline: Math.max(...owner.candidates.map((each) => this.#host.deadlineOf(each))),
      // Of whom it is by now: nobody is ended by what another has used.
      countSubrequest() {
        const { meter } = owner.current;
        meter.subrequests += 1;
        if (meter.subrequests > meter.limits.subrequestsMax) strike("subrequestsMax");
      },
      countSubrequestBytes(bytes) {
        const { meter } = owner.current;
        meter.subrequestBytes += bytes;
        if (meter.subrequestBytes > meter.limits.subrequestBytesMax) strike("subrequestBytesMax");
      },
    };
  }

  #sendHead(answer: BindingAnswer): void {
    const head: AnswerHead = {
      s: answer.status,
      h: answer.headers,
      u: answer.url,
      ...(answer.redirected && { rd: 1 }),
    };
    this.#stream.head(JSON.stringify(head));
  }

  async #sendBody(body: Body): Promise<void> {
    if (body === null) return;
    const reader = body instanceof Uint8Array ? undefined : body.getReader();
    const onAbort = () => void reader?.cancel(this.#abort.signal.reason).catch(() => {});
    this.#abort.signal.addEventListener("abort", onAbort);
    try {
      if (body instanceof Uint8Array) return await this.#sendBytes(body);
      for (;;) {
        const { value, done } = await (reader as ReadableStreamDefaultReader<Uint8Array>).read();
        if (done || this.#abort.signal.aborted) return;
        await this.#sendBytes(value);
      }
    } finally {
      this.#abort.signal.removeEventListener("abort", onAbort);
    }
  }

  async #sendBytes(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#stream.over; at += DATA_BYTES_MAX) {
      if (this.#stream.send(bytes.subarray(at, at + DATA_BYTES_MAX))) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** A limit ends the invocation; everything else is the program's to catch. */
  #refuse(error: IsopodError): void {
    this.#upload?.fail(error);
    if (error.kind === "system") this.#host.report(error);
    // Its own: a function that is called may have struck one, too.
    if (this.#broken !== undefined) return this.#owner.current.breakBy(this.#broken);
    if (this.#stream.over) return;
    const { code, message } = errorBody(error, "");
    this.#stream.reset(JSON.stringify({ code, message }));
  }
}

function discard(body: Body): void {
  if (body instanceof ReadableStream) body.cancel().catch(() => {});
}
