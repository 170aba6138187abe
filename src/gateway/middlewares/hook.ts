/** One call of hooks as an invocation, and its answer read: what goes to the guest that runs them, and what comes back. */
import { type ErrorCode, IsopodError } from "../../core/errors.ts";
import type { MiddlewareChain } from "../../core/function.ts";
import type { HeaderList, InvocationRequest, InvocationResponse, Target } from "../../core/invocation.ts";
import {
  HOOK_BODY_BYTES_MAX,
  HOOK_HEADER,
  HOOK_TEXT_BYTES_MAX,
  type HookAsk,
  type HookTold,
  parseTold,
} from "../../wire/hooks.ts";

/** An answer of hooks: what they say of it, and it itself without that. */
export interface ReadHook {
  readonly response: InvocationResponse;
  readonly told: HookTold;
}

const NOTHING = new Uint8Array(0);

/** What is to be invoked: the function's own version, or the one that runs its middlewares. */
export function hookTarget({ host }: MiddlewareChain, { kind, ...target }: Target, hook: HookAsk["hook"]): Target {
  const { limits: own } = target;
  // The guest holds what it collects to its own limit, and names it.
  const limits =
    hook === "before"
      ? { ...own, responseBytesMax: HOOK_TEXT_BYTES_MAX }
      : { ...own, bodyBytesMax: Number.MAX_SAFE_INTEGER };
  if (typeof host !== "string") return { kind: "function", version: host, limits };
  if (kind === "function" && "version" in target) return { kind, version: target.version, limits };
  throw new IsopodError("internal", { cause: "middlewares without an instance to run in" });
}

/** The invocation that asks for hooks. */
export function hookRequest(
  request: InvocationRequest,
  ask: HookAsk,
  observer: InvocationRequest["observer"],
): InvocationRequest {
  const { requestId, method, url, headers, params, signal, depth, body } = request;
  const argsJson = JSON.stringify(ask);
  return {
    ...{ requestId, method, url, headers, params, signal, depth },
    ...{ body: body ?? NOTHING, entry: "hook", argsJson, observer },
  };
}

/** Reads the answer of hooks. @throws {IsopodError} `middleware_invalid` */
export function hookAnswer(response: InvocationResponse): ReadHook {
  const { status, headers, body, over, ended } = response;
  try {
    const told = parseTold(headers.find(([name]) => name === HOOK_HEADER)?.[1]);
    const own = headers.filter(([name]) => name !== HOOK_HEADER);
    return { told, response: { status, headers: own, body, script: false, over, ended } };
  } catch (cause) {
    throw new IsopodError("middleware_invalid", { message: "The middlewares' guest gave no answer of theirs.", cause });
  }
}

/** The request as the hooks before have left it. */
export function retargeted(
  request: InvocationRequest,
  headers: HeaderList,
  body: Uint8Array,
  { kind, method = request.method, target = "/" }: HookTold,
): InvocationRequest {
  const { requestId, params, argsJson, depth, signal, observer, partial, webSocket } = request;
  const kept = { requestId, params, argsJson, depth, signal, observer, partial };
  if (kind === "event") {
    return { ...kept, method, url: request.url, headers: request.headers, body, entry: "event" };
  }
  // Behind the origin as it came: a path that begins with two slashes would otherwise name another host.
  const url = new URL(new URL(request.url).origin + target).href;
  if (body.length === 0) return { ...kept, method, url, headers, body: null, webSocket };
  return { ...kept, method, url, headers: [...headers, ["content-length", String(body.length)]], body, webSocket };
}

/** The error of a body over what hooks may give, or are given. */
export function hookLimit(what: "request" | "answer"): IsopodError {
  const message = `The ${what} is over ${HOOK_BODY_BYTES_MAX} bytes, the most of what middlewares are given, and give.`;
  return new IsopodError("middleware_limit", {
    message,
    limit: { name: "middlewareBodyBytesMax", value: HOOK_BODY_BYTES_MAX },
  });
}

/** What hooks failed of, as the caller is told. */
export function hookFailure(error: IsopodError, { host, timeoutMs }: MiddlewareChain): IsopodError {
  const { message } = error;
  const limit = LIMITS[error.code];
  if (limit !== undefined) {
    const value = limit === "middlewareMs" ? timeoutMs : HOOK_BODY_BYTES_MAX;
    return new IsopodError(error.code, { ...error.details, message, limit: { name: limit, value } });
  }
  if (error.code !== "program_ended" || typeof host === "string") return error;
  // The middlewares' instance is no program of the caller's.
  return new IsopodError("middleware_failed", { ...error.details, message: `The middlewares ended: ${message}` });
}

const LIMITS: Partial<Record<ErrorCode, string>> = {
  middleware_timeout: "middlewareMs",
  middleware_limit: "middlewareBodyBytesMax",
};
