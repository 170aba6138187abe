/**
 * The hooks of one side of a request: its body collected, the event or the result made of it, the chain run, and what
 * came of it sent back as the request or the answer to go on with.
 */
import type { HookSettings } from "../../../../core/middleware.ts";
import { parseJson, type RequestHead, type ResponseHead } from "../../../../wire/heads.ts";
import { encodeTold, HOOK_BODY_BYTES_MAX, HOOK_HEADER, type HookAsk, type HookTold } from "../../../../wire/hooks.ts";
import type { StreamEvents, WireStream } from "../../../../wire/stream.ts";
import { fitsHead } from "../../../guest/calls.ts";
import { cloudEvent } from "../events/cloud_event.ts";
import { answerOf, eventRequest } from "../events/event_request.ts";
import { EventError, type HttpResult, httpEvent } from "../events/http_event.ts";
import { sendPieces } from "../pieces.ts";
import { HookError } from "./answers.ts";
import { Chain } from "./chain.ts";
import { dataAnswer, encode, givenResult, isOfBody, short } from "./forms.ts";
import type { HookRequest } from "./plain.ts";

/** Runs one hook of the middleware `at` in the list; undefined when it leaves everything as it is. */
export type Runner = (at: number, request: HookRequest) => Promise<unknown>;

/** Such a call. */
export class HookCall implements StreamEvents {
  readonly #stream: WireStream;
  readonly #head: RequestHead;
  readonly #ask: HookAsk;
  readonly #settings: HookSettings;
  readonly #runner: Runner;
  readonly #gone = new AbortController();
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isOver = false;
  onWritable: (() => void) | undefined;

  constructor(stream: WireStream, head: RequestHead, settings: HookSettings, runner: Runner) {
    this.#stream = stream;
    this.#head = head;
    this.#ask = JSON.parse(head.a ?? "{}") as HookAsk;
    this.#settings = settings;
    this.#runner = runner;
  }

  /** Whether nothing more may be sent. */
  get isOver(): boolean {
    return this.#isOver;
  }

  head(): void {}

  data(payload: Uint8Array): void {
    if (this.#isOver) return;
    this.#bytes += payload.length;
    if (this.#bytes > HOOK_BODY_BYTES_MAX) {
      const [code, what] =
        this.#ask.hook === "before" ? ["body_too_large", "request's body"] : ["middleware_limit", "answer"];
      this.#fail(code, `The ${what} is over ${HOOK_BODY_BYTES_MAX} bytes, the most that middlewares are given.`);
      return;
    }
    this.#chunks.push(payload);
    this.#stream.consumed(payload.length);
  }

  end(): void {
    if (this.#isOver) return;
    const [only] = this.#chunks;
    const body = this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#run(body)
      .finally(() => tidyUp(body.length))
      .catch((error: unknown) => {
        if (error instanceof HookError) this.#fail(error.code, error.message);
        else if (error instanceof EventError) this.#fail("middleware_invalid", error.message);
        else this.#fail("middleware_failed", `The middlewares could not be run: ${error}`);
      });
  }

  reset(): void {
    this.#isOver = true;
    this.onWritable?.();
    this.#gone.abort();
  }

  writable(): void {
    this.onWritable?.();
  }

  async #run(body: Uint8Array): Promise<void> {
    const { hook, form = this.#settings.event, context } = this.#ask;
    const { list, timeoutMs } = this.#settings;
    const signal = this.#gone.signal;
    const chain = new Chain(this.#settings, form, (middleware, side, json) => {
      // Nobody need wait longer than the whole request may take.
      const leftMs = Math.max(1, Math.min(timeoutMs, this.#head.d - Date.now()));
      const isShort = leftMs < timeoutMs;
      const request = { hook: side, json, context, timeoutMs: leftMs, isShort, stream: this.#stream.id, signal };
      return this.#runner(list.indexOf(middleware), request);
    });
    if (hook === "after") {
      const given = givenResult(this.#ask, form, this.#head.h, body);
      const result = await chain.after(given.value);
      return this.#answer(given.isData && !chain.isAnswer ? dataAnswer(result) : answerOf(result), chain);
    }
    const request = this.#request(body);
    const event = form === "http" ? httpEvent(request) : form === "json" ? this.#json(body) : cloudEvent(request);
    if (event === NO_EVENT) return;
    const result = await chain.before(event);
    if (result.kind === "response") return this.#answer(answerOf(result.value), chain);
    await this.#goOn(result.value, chain, body);
  }

  /** The request goes on, as the middlewares left it. */
  async #goOn(event: unknown, { spans }: Chain, body: Uint8Array): Promise<void> {
    const { want, form = this.#settings.event } = this.#ask;
    const own = this.#head.h.filter(([name]) => !isOfBody(name)) as [string, string][];
    if (want === "event") {
      return this.#send({ status: 200, headers: [], body: encode(event) }, { kind: "event", spans });
    }
    const { m: method, u: url } = this.#head;
    const { pathname, search } = new URL(url);
    if (form === "json" || want === "body") {
      const headers: [string, string][] = [...own, ["content-type", "application/json"]];
      const told: HookTold = { kind: "request", method, target: pathname + search, spans };
      return this.#send({ status: 200, headers, body: encode(event) }, told);
    }
    const next = eventRequest(event, this.#request(body));
    const told: HookTold = { kind: "request", method: next.method, target: next.target, spans };
    return this.#send({ status: 200, headers: next.headers, body: next.body }, told);
  }

  async #answer(answer: HttpResult, { spans }: Chain): Promise<void> {
    await this.#send(answer, { kind: "response", spans });
  }

  #request(body: Uint8Array) {
    const { id: requestId, m: method, u: url, h: headers, p: params } = this.#head;
    return { requestId, method, url, headers, params, body, now: this.#ask.context.started_at_ms };
  }

  #json(body: Uint8Array): unknown {
    if (body.length === 0) return {};
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    } catch {
      this.#fail("bad_request", "Cannot make an event of the request: its body is not JSON");
      return NO_EVENT;
    }
  }

  async #send({ status, headers, body }: HttpResult, told: HookTold): Promise<void> {
    if (body.length > HOOK_BODY_BYTES_MAX && told.kind !== "event") {
      throw new HookError("middleware_limit", `The middlewares gave a body of over ${HOOK_BODY_BYTES_MAX} bytes.`);
    }
    const spans = told.spans.map((span) => ({
      ...span,
      startMs: short(span.startMs),
      durationMs: short(span.durationMs),
    }));
    const head: ResponseHead = { s: status, h: [...headers, [HOOK_HEADER, encodeTold({ ...told, spans })]] };
    const text = JSON.stringify(head);
    if (!fitsHead(head.h, text)) {
      throw new HookError("middleware_invalid", "The middlewares gave headers that are too many or too long.");
    }
    this.#stream.head(text);
    await sendPieces(this.#stream, body, this);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream.end("");
  }

  #fail(code: string, message: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#chunks = [];
    this.#stream.reset(JSON.stringify({ code, message: message.slice(0, 8192) }));
  }
}

/** The body is none that an event can be made of, and the caller has been told. */
const NO_EVENT = Symbol("no event");

/** Bytes of bodies that have passed since memory was last collected. */
let passedBytes = 0;
/** After so many it is collected at once: each leaves several times its size behind, which counts for the instance's limit. */
const COLLECT_BYTES = 4 * 1024 * 1024;

function tidyUp(bytes: number): void {
  passedBytes += bytes;
  if (passedBytes < COLLECT_BYTES) return;
  passedBytes = 0;
  Bun.gc(true);
}

/** The hooks that an invocation asks for; undefined when it is no call of hooks. */
export function hookHead(head: Uint8Array): RequestHead | undefined {
  const read = parseJson(head) as RequestHead;
  return read.x === "hook" ? read : undefined;
}
