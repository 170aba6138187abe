/**
 * What lets a handler of Node.js's kind, `handler(event, context)`, answer requests in the engine of scripts. It is a file of the
 * versions that are created with such a runtime, and runs in the sandbox as a part of the function: the server reads it as text alone.
 *
 * Invocations of the Lambda API come with `ctx.args.lambda`, which no request from outside can set. Every other request
 * becomes an event of a function URL (payload format 2.0; AWS: "Lambda function URLs: request and response payloads").
 */
import { answerHead, httpEvent, httpResult } from "../guest/events/http_event.ts";

/** What the server says of an invocation. */
interface Told {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  readonly memoryLimitInMB: string;
  readonly clientContext?: unknown;
}

/** What of the third argument of a `fetch` is needed. */
interface Ctx {
  readonly args: unknown;
  readonly params: Readonly<Record<string, string>>;
  readonly requestId: string;
  readonly deadline: number;
  readonly function: { readonly name: string; readonly version: string } | undefined;
  waitUntil(promise: Promise<unknown>): void;
}

type Handler = (event: unknown, context: unknown, callback: unknown) => unknown;
/** What a handler says of the answer that it streams: `statusCode`, `headers`, `cookies`. */
type Head = Readonly<Record<string, unknown>>;
type StreamHandler = (event: unknown, stream: unknown, context: unknown) => unknown;

/** Statuses of answers that have no body (Fetch: null body status). */
const BODILESS = new Set([204, 205, 304]);
const STREAMED = Symbol("streamed");
const HEAD = Symbol("head");

Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: StreamHandler) => Object.assign(handler, { [STREAMED]: true }),
    HttpResponseStream: {
      from: (stream: { [HEAD]?: (head: Head) => void }, head: Head) => {
        stream[HEAD]?.(head);
        return stream;
      },
    },
  },
});

/** The default export of a function: its handler is the member of `module` that `name` says. */
export default function adapt(module: Readonly<Record<string, unknown>>, name: string) {
  const handler = memberOf(module, name) ?? memberOf(module["default"], name);
  if (typeof handler !== "function") throw new TypeError(`${name} is undefined or not exported`);
  return { fetch: (request: Request, _env: unknown, ctx: Ctx) => answer(handler as Handler, request, ctx) };
}

function memberOf(module: unknown, name: string): unknown {
  let found = module;
  for (const part of name.split(".")) found = (found as Record<string, unknown> | null | undefined)?.[part];
  return found;
}

async function answer(handler: Handler, request: Request, ctx: Ctx): Promise<Response> {
  const told = (ctx.args as { readonly lambda?: Told } | undefined)?.lambda;
  const text = told === undefined ? "" : await request.text();
  const event = told === undefined ? await eventOf(request, ctx) : text === "" ? {} : JSON.parse(text);
  const context = contextOf(told, ctx);
  if (STREAMED in handler) return streamed(handler as unknown as StreamHandler, event, context, ctx);
  const result = await call(handler, event, context);
  return told === undefined ? httpAnswer(result) : json(result);
}

function json(result: unknown): Response {
  return new Response(JSON.stringify(result) ?? "null", { headers: { "content-type": "application/json" } });
}

function contextOf(told: Told | undefined, ctx: Ctx) {
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: told?.functionName ?? ctx.function?.name ?? "",
    functionVersion: told?.functionVersion ?? ctx.function?.version ?? "",
    invokedFunctionArn: told?.invokedFunctionArn ?? "",
    memoryLimitInMB: told?.memoryLimitInMB ?? "",
    awsRequestId: ctx.requestId,
    logGroupName: `/aws/lambda/${ctx.function?.name ?? ""}`,
    logStreamName: ctx.function?.version ?? "",
    clientContext: told?.clientContext,
    identity: undefined,
    getRemainingTimeInMillis: () => Math.max(0, ctx.deadline - Date.now()),
  };
}

/** Calls a handler that returns a promise or a value, or takes a callback. */
function call(handler: Handler, event: unknown, context: ReturnType<typeof contextOf>): unknown {
  if (handler.length < 3) return handler(event, context, undefined);
  return new Promise((resolve, reject) => {
    const done = (error: unknown, result?: unknown) => {
      if (error === null || error === undefined) resolve(result);
      else reject(error);
    };
    const result = handler(event, context, done) as Promise<unknown> | undefined;
    if (typeof result?.then === "function") result.then(resolve, reject);
  });
}

/** A handler that writes to a stream: its answer begins with what it writes first. */
async function streamed(handler: StreamHandler, event: unknown, context: unknown, ctx: Ctx): Promise<Response> {
  const { Writable } = await import("node:stream");
  const began = Promise.withResolvers<void>();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  let head: Head = { headers: { "content-type": "application/octet-stream" } };
  const stream = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      began.resolve();
      writer.write(chunk).then(() => done(), done);
    },
    final(done) {
      began.resolve();
      writer.close().then(() => done(), done);
    },
  });
  Object.assign(stream, {
    [HEAD]: (said: Head) => {
      head = said;
    },
    setContentType: (type: string) => {
      head = { ...head, headers: { ...(head["headers"] as object), "content-type": type } };
    },
  });
  const failed = (thrown: unknown) => {
    began.reject(thrown);
    writer.abort(thrown).catch(() => {});
    stream.destroy();
  };
  stream.on("error", failed);
  ctx.waitUntil((async () => handler(event, stream, context))().catch(failed));
  await began.promise;
  return new Response(readable, answerHead(head));
}

/** A result that is an answer, or is the JSON of one. @throws {EventError} when it can be neither */
function httpAnswer(result: unknown): Response {
  const { status, headers, body } = httpResult(JSON.stringify(result) ?? "null");
  return new Response(BODILESS.has(status) ? null : (body as Uint8Array<ArrayBuffer>), { status, headers });
}

async function eventOf(request: Request, { requestId, params }: Ctx): Promise<Record<string, unknown>> {
  const { method, url } = request;
  const body = new Uint8Array(await request.arrayBuffer());
  return httpEvent({ requestId, method, url, headers: [...request.headers], params, body, now: Date.now() });
}
