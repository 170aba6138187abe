/**
 * What lets a handler of Node.js's kind, `handler(event, context)`, answer requests. It is a file of the versions that are
 * created with such a runtime, and runs in the sandbox as a part of the function: the server reads it as text alone.
 *
 * Invocations of the Lambda API come with `ctx.args.lambda`, which no request from outside can set. Every other request
 * becomes an event of a function URL (payload format 2.0; AWS: "Lambda function URLs: request and response payloads").
 */
import { isUtf8 } from "node:buffer";

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
type StreamHandler = (event: unknown, stream: unknown, context: unknown) => unknown;

const STREAMED = Symbol("streamed");
const HEAD = Symbol("head");

Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: StreamHandler) => Object.assign(handler, { [STREAMED]: true }),
    HttpResponseStream: {
      from: (stream: { [HEAD]?: (head: HttpResult) => void }, head: HttpResult) => {
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
  const event = told === undefined ? await httpEvent(request, ctx) : text === "" ? {} : JSON.parse(text);
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
  let head: HttpResult = { headers: { "content-type": "application/octet-stream" } };
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
    [HEAD]: (said: HttpResult) => {
      head = said;
    },
    setContentType: (type: string) => {
      head = { ...head, headers: { ...head.headers, "content-type": type } };
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
  return new Response(readable, { status: head.statusCode ?? 200, headers: headersOf(head) });
}

/** What a handler answers a request with. */
interface HttpResult {
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string | number | boolean>>;
  readonly cookies?: readonly string[];
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

function headersOf({ headers = {}, cookies = [] }: HttpResult): [string, string][] {
  const own = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]);
  return [...own, ...cookies.map((cookie): [string, string] => ["set-cookie", cookie])];
}

function httpAnswer(result: unknown): Response {
  if (typeof result === "string") return new Response(result, { headers: { "content-type": "application/json" } });
  const said = (typeof result === "object" && result !== null ? result : {}) as HttpResult;
  if (said.statusCode === undefined) return json(result);
  const { statusCode, body = "", isBase64Encoded = false } = said;
  const headers = headersOf(said);
  const isTyped = headers.some(([name]) => name.toLowerCase() === "content-type");
  if (!isTyped) headers.push(["content-type", "application/json"]);
  const isEmpty = statusCode === 204 || statusCode === 304;
  return new Response(isEmpty ? null : Buffer.from(String(body), isBase64Encoded ? "base64" : "utf8"), {
    status: statusCode,
    headers,
  });
}

/** Types of bodies that are given as text, when they are UTF-8. Forms are not among them: AWS gives them in base64. */
const TEXT_TYPES = /^\s*(text\/|application\/([a-z0-9.+-]*\+)?(json|xml|javascript)\b)/i;

async function httpEvent(request: Request, ctx: Ctx) {
  const url = new URL(request.url);
  const headers: Record<string, string> = Object.fromEntries(request.headers);
  const { cookie, ...others } = headers;
  const folded = new Map<string, string>();
  for (const [name, value] of url.searchParams)
    folded.set(name, folded.has(name) ? `${folded.get(name)},${value}` : value);
  const bytes = new Uint8Array(await request.arrayBuffer());
  const isText = TEXT_TYPES.test(headers["content-type"] ?? "") && isUtf8(bytes);
  const [subdomain = ""] = url.hostname.split(".", 1);
  const now = new Date();
  return {
    ...{ version: "2.0", routeKey: "$default", rawPath: url.pathname, rawQueryString: url.search.slice(1) },
    ...(cookie !== undefined && { cookies: cookie.split("; ") }),
    headers: others,
    ...(folded.size > 0 && { queryStringParameters: Object.fromEntries(folded) }),
    ...(Object.keys(ctx.params).length > 0 && { pathParameters: ctx.params }),
    requestContext: {
      ...{ accountId: "anonymous", apiId: subdomain, domainName: url.hostname, domainPrefix: subdomain },
      ...{ stage: "$default", routeKey: "$default", requestId: ctx.requestId, timeEpoch: now.getTime() },
      time: now.toUTCString().replace(/^\w+, (\d+) (\w+) (\d+) ([\d:]+) GMT$/, "$1/$2/$3:$4 +0000"),
      http: {
        ...{ method: request.method, path: url.pathname, protocol: "HTTP/1.1", userAgent: headers["user-agent"] ?? "" },
        sourceIp: (headers["x-forwarded-for"] ?? "").split(",").at(-1)?.trim() ?? "",
      },
    },
    ...(bytes.length > 0 && { body: Buffer.from(bytes).toString(isText ? "utf8" : "base64") }),
    isBase64Encoded: bytes.length > 0 && !isText,
  };
}
