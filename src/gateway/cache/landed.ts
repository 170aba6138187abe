/** Answers that are for more than one request: kept before, there as a whole, or still arriving. */
import { IsopodError } from "../../core/errors.ts";
import type { Body, CacheUse, InvocationEnd, InvocationResponse } from "../../core/invocation.ts";
import { endedWith } from "../whole_answer.ts";
import type { Broadcast, ReaderEnd } from "./broadcast.ts";
import type { Entry } from "./entry.ts";
import type { Landed } from "./flights.ts";
import { firstHeaders } from "./kept_headers.ts";
import { type CacheHead, isFor, type Lifetime } from "./policy.ts";

/** An answer that is being given for the first time. */
export interface FirstAnswer {
  readonly request: CacheHead;
  readonly response: InvocationResponse;
  readonly lifetime: Lifetime;
  /** Whether something stale was there. */
  readonly isStale: boolean;
}

/** What was kept before, and is given for a reason that `Cache-Status` names. */
export class LandedEntry implements Landed {
  readonly #entry: Entry;
  readonly #now: number;
  readonly #use: CacheUse;
  readonly #told: string;

  constructor(entry: Entry, now: number, use: CacheUse, told: string) {
    this.#entry = entry;
    this.#now = now;
    this.#use = use;
    this.#told = told;
  }

  give(request: CacheHead): InvocationResponse | undefined {
    if (!isFor(this.#entry.parts.lifetime, request.headers)) return undefined;
    return this.#entry.answer(request, this.#now, this.#use, this.#told);
  }
}

/** An answer that is there as a whole. */
export class LandedBody implements Landed {
  readonly #answer: FirstAnswer;
  readonly #body: Exclude<Body, ReadableStream>;
  readonly #isKept: boolean;

  constructor(answer: FirstAnswer, body: Exclude<Body, ReadableStream>, isKept: boolean) {
    this.#answer = answer;
    this.#body = body;
    this.#isKept = isKept;
  }

  give(request: CacheHead, isFirst: boolean): InvocationResponse | undefined {
    const { response, lifetime } = this.#answer;
    if (!isFirst && !isFor(lifetime, request.headers)) return undefined;
    const body = this.#body;
    if (!isFirst) {
      const over = endedWith(body?.length ?? 0);
      return { ...headOf(this.#answer, isFirst, false), body, over, ended: Promise.resolve(over) };
    }
    return { ...headOf(this.#answer, isFirst, this.#isKept), body, over: response.over, ended: response.ended };
  }
}

/** An answer that is still arriving. */
export class LandedStream implements Landed {
  readonly #answer: FirstAnswer;
  readonly #broadcast: Broadcast;

  constructor(answer: FirstAnswer, broadcast: Broadcast) {
    this.#answer = answer;
    this.#broadcast = broadcast;
  }

  give(request: CacheHead, isFirst: boolean): InvocationResponse | undefined {
    const { response, lifetime } = this.#answer;
    if (!isFirst && !isFor(lifetime, request.headers)) return undefined;
    const reading = this.#broadcast.open();
    if (reading === undefined) return undefined;
    const ended = reading.ended.then(({ how, bytes }) => endOf(response, how, bytes, isFirst));
    return { ...headOf(this.#answer, isFirst, false), body: reading.body, ended };
  }
}

/** How one reader's part ended: of who asked first as the invocation did, unless it has left before. */
async function endOf(
  response: InvocationResponse,
  how: ReaderEnd,
  bytes: number,
  isFirst: boolean,
): Promise<InvocationEnd> {
  const left = (message?: string) => ({ ...endedWith(bytes), error: new IsopodError("client_gone", { message }) });
  if (how === "cancelled") return left();
  if (how === "too slow")
    return left("The client was so slow that the answer did not fit between it and a faster one.");
  if (isFirst) return response.ended;
  return how === "whole" ? endedWith(bytes) : { ...(await response.ended), ...endedWith(bytes) };
}

function headOf({ response, isStale }: FirstAnswer, isFirst: boolean, isKept: boolean) {
  const told = `fwd=${isStale ? "stale" : "miss"}${isFirst ? "" : "; collapsed"}${isKept ? "; stored" : ""}`;
  const cache: CacheUse = isFirst ? "miss" : "collapsed";
  return { status: response.status, headers: firstHeaders(response.headers, told), script: false, cache };
}
