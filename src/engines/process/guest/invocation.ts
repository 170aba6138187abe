/**
 * One invocation of a program that is handed events: the request's body collected, the event made of it, the answer
 * sent back whole or in pieces. What the program is told, and how, is its dialect's business.
 */
import type { EventForm } from "../../../core/event_form.ts";
import { parseJson, type RequestHead, type ResetReason, type ResponseHead } from "../../../wire/heads.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import { fitsHead } from "../../guest/calls.ts";
import { cloudEventLine } from "./events/cloud_event.ts";
import { EventError, type HttpResult, httpEvent } from "./events/http_event.ts";
import { onOneLine } from "./events/one_line.ts";
import { payloadOf, resultOf } from "./events/program_result.ts";
import { sendPieces } from "./pieces.ts";
import { contextOf, type ToldByCaller, toldOf } from "./told_by_caller.ts";
import { traceOf } from "./trace.ts";

/** The largest body of a request, and the largest answer that is not streamed, in bytes; as AWS has them. */
export const EVENT_BYTES_MAX = 6 * 1024 * 1024;
/** What AWS allows above it. */
export const ANSWER_BYTES_MAX = EVENT_BYTES_MAX + 100;

/** Who hears what becomes of an invocation. */
export interface InvocationOwner {
  /** Its event is there. */
  arrived(invocation: EventInvocation): void;
  /** Its caller has hung up, or a limit has ended it: what still works on it must end. */
  gone(invocation: EventInvocation): void;
}

/** An invocation. */
export class EventInvocation implements StreamEvents {
  readonly stream: WireStream;
  readonly request: RequestHead;
  readonly #form: EventForm;
  /** Whether the body is the event already: its middlewares have made it. */
  readonly #isEvent: boolean;
  readonly #owner: InvocationOwner;
  readonly #told: ToldByCaller | undefined;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #event: Uint8Array | undefined;
  #traceId: string | undefined;
  #isOver = false;
  /** Called when there is room to send again, or none is needed. */
  onWritable: (() => void) | undefined;

  constructor(stream: WireStream, head: Uint8Array, form: EventForm, owner: InvocationOwner) {
    this.stream = stream;
    this.request = parseJson(head) as RequestHead;
    const { a: args, f: method, x: entry } = this.request;
    this.#told = args === undefined || method !== undefined ? undefined : toldOf(args);
    this.#isEvent = entry === "event";
    // What is not a request has its event in the body.
    this.#form = (entry === undefined && this.#told === undefined) || this.#isEvent ? form : "json";
    this.#owner = owner;
    // Who asks for a WebSocket sends no body, and no end of one: he gets the program's answer to his request.
    if (this.request.w === 1) queueMicrotask(() => this.end());
  }

  get id(): string {
    return this.request.id;
  }

  /** Milliseconds since the Unix epoch at which it is ended. */
  get deadline(): number {
    return this.request.d;
  }

  /** Whether nothing more may be sent. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The event, as JSON. */
  get event(): Uint8Array {
    return this.#event ?? NOTHING;
  }

  /** Whether it is a call of the invoke API, and no request. */
  get isCall(): boolean {
    return this.#told !== undefined;
  }

  /** The client context of AWS's invoke API, as JSON. */
  get clientContext(): string | undefined {
    return this.#told && contextOf(this.#told);
  }

  /** By what name it was called, when that was not by a request. */
  get calledArn(): string | undefined {
    return this.#told?.invokedFunctionArn;
  }

  /** Of its trace: the caller's, else one made of the request's id, by which each can be found from the other. */
  get traceId(): string {
    this.#traceId ??= this.header("x-amzn-trace-id") ?? traceOf(this.id);
    return this.#traceId;
  }

  /** A header of the request. */
  header(name: string): string | undefined {
    return this.request.h.find(([each]) => each.toLowerCase() === name)?.[1];
  }

  head(): void {}

  data(payload: Uint8Array): void {
    if (this.#isOver) return;
    this.#bytes += payload.length;
    if (this.#bytes > EVENT_BYTES_MAX) {
      this.fail("body_too_large", `The request's body is over ${EVENT_BYTES_MAX} bytes, the most of an event.`);
      return;
    }
    this.#chunks.push(payload);
    this.stream.consumed(payload.length);
  }

  end(): void {
    if (this.#isOver) return;
    if (this.request.f !== undefined) return this.fail("bad_request", "A program has no methods: send it a request.");
    this.#event = this.#makeEvent(
      this.#chunks.length === 1 ? (this.#chunks[0] ?? NOTHING) : Buffer.concat(this.#chunks),
    );
    this.#chunks = [];
    if (this.#event !== undefined) this.#owner.arrived(this);
  }

  reset(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onWritable?.();
    this.#owner.gone(this);
  }

  writable(): void {
    this.onWritable?.();
  }

  /** Sends the program's whole result. @throws {EventError} when it is none */
  async answer(json: string): Promise<void> {
    // What the invoke API asks for is handed over as it is.
    const result = this.#told === undefined ? resultOf(json, this.#form) : payloadOf(json);
    this.begin(result);
    await this.write(result.body);
  }

  /** Sends the head of an answer. @throws {EventError} */
  begin({ status, headers }: Pick<HttpResult, "status" | "headers">): void {
    const text = JSON.stringify({ s: status, h: headers } satisfies ResponseHead);
    if (!fitsHead(headers, text)) throw new EventError("Cannot send the result: its headers are too many or too long");
    this.stream.head(text);
  }

  /** Sends a part of the answer's body; resolves when more can be sent. */
  write(bytes: Uint8Array): Promise<void> {
    return sendPieces(this.stream, bytes, this);
  }

  /** The answer is complete; with `waits`, the program has not said yet that it is ready for another. */
  finish(waits: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.stream.end(waits ? "wait" : "");
  }

  /** There is no answer, or no more of it; with `waits`, the program has not said yet that it is ready for another. */
  fail(code: string, message: string, stack?: string, waits = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onWritable?.();
    const reason: ResetReason = {
      code,
      message: message.slice(0, 8192),
      ...(stack && { stack }),
      ...(waits && { waits }),
    };
    this.stream.reset(JSON.stringify(reason));
  }

  #makeEvent(body: Uint8Array): Uint8Array | undefined {
    // As it comes from a guest.
    if (this.#isEvent) return onOneLine(body);
    const { id: requestId, m: method, u: url, h: headers, p: params } = this.request;
    const request = { requestId, method, url, headers, params, body, now: Date.now() };
    if (this.#form === "http") return Buffer.from(JSON.stringify(httpEvent(request)));
    if (this.#form === "cloudevent") return cloudEventLine(request);
    if (body.length === 0) return Buffer.from("{}");
    try {
      JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
      return onOneLine(body);
    } catch {
      this.fail("bad_request", "Cannot make an event of the request: its body is not JSON");
      return undefined;
    }
  }
}

const NOTHING = new Uint8Array(0);
