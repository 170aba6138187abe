/** Functions behind the response cache: which resource a request is for, and how the function is asked again for nobody. */
import { toIsopodError } from "../../core/errors.ts";
import type { FunctionVersion } from "../../core/function.ts";
import type { HeaderList, InvocationResponse, Invoker } from "../../core/invocation.ts";
import type { Limits } from "../../core/limits.ts";
import type { Observer } from "../../core/observer.ts";
import type { Sender } from "../admission.ts";
import { ExchangeRecord, newRequestId } from "../exchange_record.ts";
import { completeRequest, type InvocationParts } from "../work.ts";
import type { Habit } from "./request.ts";
import type { ResponseCache } from "./response_cache.ts";

/** A call of a function, as the cache needs it. */
export interface CachedCall {
  readonly cache: ResponseCache;
  readonly observer: Observer;
  readonly invoker: Invoker;
  readonly version: FunctionVersion;
  readonly limits: Limits;
  readonly headers: Headers;
  readonly parts: InvocationParts;
  readonly record: ExchangeRecord;
  readonly sender: Sender;
  invoke(parts: InvocationParts): Promise<InvocationResponse>;
}

const habits = new WeakMap<FunctionVersion, Habit>();
const NEVER = new AbortController().signal;

/** The key of a resource: another version of a function is another resource. */
export function cacheKey({ key }: FunctionVersion, url: string): string {
  return `${key} ${url}`;
}

/** Answers from the cache, or by the function. @throws {IsopodError} */
export function answerCached(call: CachedCall): Promise<InvocationResponse> {
  const { cache, version, headers, parts, sender } = call;
  let habit = habits.get(version);
  if (habit === undefined) {
    habit = { kept: false, notKept: undefined };
    habits.set(version, habit);
  }
  return cache.through({
    ...{ key: cacheKey(version, parts.url), project: version.project, functionName: version.name },
    ...{ method: parts.method, url: parts.url, headers, habit, sender },
    invoke: (more) => call.invoke(withHeaders(parts, more)),
    refresh: (more) => askForNobody(call, more),
  });
}

function withHeaders(parts: InvocationParts, more: HeaderList): InvocationParts {
  return more.length === 0 ? parts : { ...parts, headers: [...parts.headers, ...more] };
}

/** Invokes the function to have its answer kept, with a record of its own. */
async function askForNobody(call: CachedCall, more: HeaderList): Promise<InvocationResponse> {
  const { observer, invoker, version, limits, parts, record } = call;
  const own = new ExchangeRecord(observer, newRequestId(), "GET", record.host, record.path);
  own.remoteAddress = "cache";
  own.target = record.target;
  own.functionName = record.functionName;
  own.project = record.project;
  own.version = record.version;
  try {
    const headers = parts.headers.filter(([name]) => name !== "if-none-match" && name !== "if-modified-since");
    const whole = withHeaders({ ...parts, method: "GET", headers }, more);
    const asked = completeRequest(whole, own, { signal: NEVER }, own);
    const response = await invoker.invoke({ kind: "function", version, limits }, asked);
    own.answered(response, response.status);
    return response;
  } catch (thrown) {
    const error = toIsopodError(thrown);
    own.status = error.status;
    own.finish(error);
    throw error;
  }
}
