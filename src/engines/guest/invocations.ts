/**
 * Invocations inside the guest: from a request's head to the last byte of the answer and the end of `waitUntil`.
 *
 * A handler is started in a microtask, after all frames of the chunk that brought its head have been read, so that a
 * small body is there as a whole and costs no stream.
 */
import type { InvocationContext } from "../../core/guest.ts";
import { parseJson, type RequestHead } from "../../wire/heads.ts";
import type { StreamEvents, WireStream } from "../../wire/stream.ts";
import { type BodyReceiver, receiveBody } from "./bodies.ts";
import type { Handler } from "./evaluated.ts";
import type { DescribeFailure } from "./failures.ts";
import { respond } from "./respond.ts";
import type { BoundSocket } from "./sockets.ts";

/** Where an invocation's after-work is reported. */
export interface InvocationOwner {
  /** What `waitUntil` was given after the answer was complete is over. */
  workFinished(stream: WireStream): void;
  /** All of the request's body has arrived. */
  inputEnded?(): void;
  /** Makes the request that a handler is given, where the platform's own is not what it should have. */
  request?(address: string, init: RequestInit): Request;
  readonly fn: { readonly name: string; readonly version: string } | undefined;
  /** What a thrown value says. */
  readonly describe: DescribeFailure;
}

/** One invocation. */
export class Invocation implements StreamEvents, InvocationContext {
  readonly stream: WireStream;
  readonly #head: RequestHead;
  readonly #owner: InvocationOwner;
  #body: BodyReceiver | undefined;
  #abort: AbortController | undefined;
  #pending: Promise<unknown>[] | undefined;
  #args: { readonly value: unknown } | undefined;
  #resume: (() => void) | undefined;
  #socket: BoundSocket | undefined;
  #inputAsked = false;
  #inputEnded = false;
  #over = false;

  constructor(stream: WireStream, payload: Uint8Array, owner: InvocationOwner) {
    this.stream = stream;
    this.#owner = owner;
    this.#head = parseJson(payload) as RequestHead;
    if (this.#head.b === 1) {
      this.#body = receiveBody(
        (bytes) => stream.consumed(bytes),
        () => {},
      );
    }
  }

  get params(): Readonly<Record<string, string>> {
    return this.#head.p ?? {};
  }

  get args(): unknown {
    this.#args ??= { value: this.#head.a === undefined ? undefined : JSON.parse(this.#head.a) };
    return this.#args.value;
  }

  /** The head, when something else than the handler is to be called. */
  get entrance(): RequestHead | undefined {
    return this.#head.f === undefined && this.#head.x === undefined ? undefined : this.#head;
  }

  get requestId(): string {
    return this.#head.id;
  }

  get function(): { readonly name: string; readonly version: string } | undefined {
    return this.#owner.fn;
  }

  get deadline(): number {
    return this.#head.d;
  }

  waitUntil = (promise: Promise<unknown>): void => {
    this.#pending ??= [];
    this.#pending.push(Promise.resolve(promise).catch((error) => console.error(error)));
  };

  /** Whether there is no request body, or all of it has arrived. */
  get bodyComplete(): boolean {
    return this.#body === undefined || this.#inputEnded;
  }

  /** Whether the program has asked for the body and not all of it has arrived. */
  get awaitsInput(): boolean {
    return this.#inputAsked && !this.#inputEnded;
  }

  /** The request's body, for scripts that read their input. */
  input(): ReadableStream<Uint8Array> {
    this.#inputAsked = true;
    return this.#body?.stream ?? new Blob([]).stream();
  }

  readonly #onResume = (callback: () => void): void => {
    this.#resume = callback;
  };

  /**
   * Calls the handler and sends what it answers; not at all when the caller has hung up before: the host has asked
   * meanwhile whether the event loop turns, and been told so. Never rejects.
   */
  async run(handler: Handler, env: Record<string, unknown>): Promise<void> {
    if (this.#over) return;
    try {
      let result = handler(this.#request(), env, this);
      if (result instanceof Promise) result = await result;
      if (this.#over) return;
      const sent = respond(this.stream, result, this.#onResume);
      this.#socket = sent instanceof Promise ? await sent : sent;
    } catch (thrown) {
      return this.fail(thrown);
    }
    if (this.#socket === undefined) this.#answered();
  }

  /** Gives the invocation up because of what the program threw. */
  fail(thrown: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.stream.reset(JSON.stringify(this.#owner.describe(thrown)));
  }

  /** The answer is complete; what `waitUntil` was given may still run. */
  #answered(): void {
    this.#over = true;
    if (this.#pending === undefined) return this.stream.end();
    this.stream.end("wait");
    this.#settle(this.#pending);
  }

  async #settle(pending: readonly Promise<unknown>[]): Promise<void> {
    // The list may grow while it is waited for.
    for (let done = 0; done < pending.length; done += 1) await pending[done];
    this.#owner.workFinished(this.stream);
  }

  #request(): Request {
    const head = this.#head;
    const init: RequestInit = { method: head.m, headers: head.h as [string, string][] };
    if (this.#body !== undefined)
      init.body = (this.#body.whole() as Uint8Array<ArrayBuffer> | undefined) ?? this.#body.stream;
    const request = this.#owner.request?.(head.u, init) ?? new Request(head.u, init);
    Object.defineProperty(request, "signal", { get: () => this.#signal(), configurable: true });
    return request;
  }

  #signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  head(): void {}

  data(payload: Uint8Array): void {
    if (this.#socket !== undefined) this.#socket.data(payload);
    else if (this.#body !== undefined) this.#body.data(payload);
    else this.stream.consumed(payload.length);
  }

  end(): void {
    this.#inputEnded = true;
    this.#body?.end();
    this.#owner.inputEnded?.();
  }

  reset(): void {
    const reason = new DOMException("The caller hung up", "AbortError");
    this.#abort?.abort(reason);
    this.#body?.fail(reason);
    this.#socket?.gone();
    this.#resume?.();
    this.#over = true;
  }

  writable(): void {
    this.#socket?.writable();
    this.#resume?.();
  }
}
