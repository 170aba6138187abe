/**
 * The answer of an invocation as its caller gets it, and the end that it is waiting for.
 *
 * Most invocations are over when their answer is handed over. Who looks then is spared a promise and its turn.
 */
import type { Body, HeaderList, InvocationEnd, InvocationResponse, InvocationSocket } from "../core/invocation.ts";

/** The end of an invocation: known to who looks, a promise for who waits. */
export class EndSignal {
  #end: InvocationEnd | undefined;
  #waiting: PromiseWithResolvers<InvocationEnd> | undefined;

  /** How it ended; undefined while it has not. */
  get known(): InvocationEnd | undefined {
    return this.#end;
  }

  /** Resolves with how it ended. */
  get promise(): Promise<InvocationEnd> {
    if (this.#end !== undefined) return Promise.resolve(this.#end);
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** It has ended. */
  settle(end: InvocationEnd): void {
    this.#end = end;
    this.#waiting?.resolve(end);
  }
}

/** What an answer has beside its body. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: HeaderList;
  readonly script: boolean;
  /** The length that its program told, as a header: nobody's but an answer's to HEAD, since a body has the length that it has. */
  readonly toldLength: readonly [string, string] | undefined;
}

/** An answer. */
export class InvocationAnswer implements InvocationResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Body;
  readonly script: boolean;
  readonly socket: InvocationSocket | undefined;
  readonly #end: EndSignal;

  constructor(
    { status, headers, script, toldLength }: AnswerHead,
    method: string,
    body: Body,
    socket: InvocationSocket | undefined,
    end: EndSignal,
  ) {
    this.status = status;
    // RFC 9110, 9.3.2: what a body would have been.
    const tells = toldLength !== undefined && method === "HEAD" && body === null;
    this.headers = tells ? [...headers, toldLength] : headers;
    this.body = body;
    this.script = script;
    this.socket = socket;
    this.#end = end;
  }

  get over(): InvocationEnd | undefined {
    return this.#end.known;
  }

  get ended(): Promise<InvocationEnd> {
    return this.#end.promise;
  }
}

/** An answer whose end is told in other words. */
export class RetoldAnswer implements InvocationResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Body;
  readonly script: boolean;
  readonly socket: InvocationSocket | undefined;
  readonly #told: InvocationResponse;
  readonly #retell: (end: InvocationEnd) => InvocationEnd;

  constructor(told: InvocationResponse, retell: (end: InvocationEnd) => InvocationEnd) {
    this.status = told.status;
    this.headers = told.headers;
    this.body = told.body;
    this.script = told.script;
    this.socket = told.socket;
    this.#told = told;
    this.#retell = retell;
  }

  get over(): InvocationEnd | undefined {
    const { over } = this.#told;
    return over && this.#retell(over);
  }

  get ended(): Promise<InvocationEnd> {
    return this.#told.ended.then(this.#retell);
  }
}
