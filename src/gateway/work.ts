/** What a request comes down to once it is understood: something to invoke, and how its answer is to look. */
import type {
  Body,
  HeaderList,
  InvocationObserver,
  InvocationRequest,
  InvocationResponse,
} from "../core/invocation.ts";
import type { Sender } from "./admission.ts";
import type { ExchangeRecord } from "./exchange_record.ts";

/** Something to invoke. */
export interface Work {
  /** Whether the answer is to be a stream of events. */
  readonly events: boolean;
  /** Silence of the program that is allowed, in milliseconds: its wall limit. */
  readonly silenceMs: number;
  /** Whether a WebSocket may be the answer. */
  readonly webSocket: boolean;
  /** Starts it. @throws {IsopodError} */
  invoke(sender: Sender, observer: InvocationObserver): Promise<InvocationResponse>;
}

/** The part of an invocation's request that is the same for functions and programs. */
export type InvocationParts = Omit<InvocationRequest, "requestId" | "signal" | "observer">;

/** Completes an invocation's request. */
export function completeRequest(
  parts: InvocationParts,
  record: ExchangeRecord,
  sender: Sender,
  observer: InvocationObserver,
): InvocationRequest {
  return new CompleteRequest(parts, record.requestId, sender, observer);
}

/** A class and no literal: one with a getter and a spread costs a microsecond on every request's way. */
class CompleteRequest implements InvocationRequest {
  readonly requestId: string;
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderList;
  readonly body: Body;
  readonly params: Readonly<Record<string, string>>;
  readonly argsJson: string | undefined;
  readonly exportName: string | undefined;
  readonly partial: boolean | undefined;
  readonly webSocket: boolean | undefined;
  readonly observer: InvocationObserver;
  readonly #sender: Sender;

  constructor(parts: InvocationParts, requestId: string, sender: Sender, observer: InvocationObserver) {
    this.requestId = requestId;
    this.method = parts.method;
    this.url = parts.url;
    this.headers = parts.headers;
    this.body = parts.body;
    this.params = parts.params;
    this.argsJson = parts.argsJson;
    this.exportName = parts.exportName;
    this.partial = parts.partial;
    this.webSocket = parts.webSocket;
    this.observer = observer;
    this.#sender = sender;
  }

  get signal(): AbortSignal {
    return this.#sender.signal;
  }
}

/** Headers that belong to one connection, or to the platform, and never reach a program. */
const NOT_PASSED = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "te",
  "upgrade",
  "expect",
  "proxy-connection",
  // What a function is told when nobody but the server calls it.
  "isopod-trigger",
  // Whom a function can trust to be inside: only said by this server.
  "isopod-caller",
]);

/** The headers that a program sees: the client's, without the connection's and without a key of ours. */
export function passedHeaders(headers: Headers, remoteAddress: string, withoutKey: boolean): [string, string][] {
  const passed: [string, string][] = [];
  let forwarded = remoteAddress;
  for (const pair of headers as unknown as Iterable<[string, string]>) {
    const name = pair[0];
    if (name === "x-forwarded-for") forwarded = `${pair[1]}, ${remoteAddress}`;
    else if (!NOT_PASSED.has(name) && !(withoutKey && name === "authorization")) passed.push(pair);
  }
  passed.push(["x-forwarded-for", forwarded]);
  return passed;
}

/**
 * The headers that a function sees which is called from inside the server, by `caller`.
 * @param isEvent it is no other function that calls: what it is told of the event stays
 */
export function insideHeaders(headers: HeaderList, caller: string, isEvent: boolean): HeaderList {
  const isPassed = (name: string) => !NOT_PASSED.has(name) || (isEvent && name === "isopod-trigger");
  return [...headers.filter(([name]) => isPassed(name.toLowerCase())), ["isopod-caller", caller]];
}
