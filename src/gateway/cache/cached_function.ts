/** Functions behind the response cache: which resource a request is for, and how the function is asked again for nobody. */
import { toIsopodError } from "../../core/errors.ts";
import type { FunctionVersion } from "../../core/function.ts";
import type { HeaderList, InvocationResponse, Invoker } from "../../core/invocation.ts";
import type { Observer } from "../../core/observer.ts";
import type { Sender } from "../admission.ts";
import { ExchangeRecord, newRequestId } from "../exchange_record.ts";
import { completeRequest, type InvocationParts } from "../work.ts";
import { type Habit, newHabit } from "./habits.ts";
import type { ResponseCache } from "./response_cache.ts";

/** A call of a function, as the cache needs it. */
export interface CachedCall {
  readonly cache: ResponseCache;
  readonly observer: Observer;
  readonly invoker: Invoker;
  readonly version: FunctionVersion;
  readonly headers: Headers;
  readonly parts: InvocationParts;
  readonly record: ExchangeRecord;
  readonly sender: Sender;
  invoke(parts: InvocationParts, sender: Sender): Promise<InvocationResponse>;
  /** It has waited in vain, and begins only now. */
  restarted(): void;
}

const habits = new WeakMap<FunctionVersion, Habit>();

/** Requests with these ask for what cannot be told by what is kept. */
const OWN_BUSINESS = ["range", "content-length", "transfer-encoding", "if-match", "if-unmodified-since"];

/** The key of a resource: another version of a function is another resource. */
function cacheKey({ key }: FunctionVersion, url: string): string {
  return `${key} ${url}`;
}

/** What is kept of a function and fresh, for the requests that it may be given to. */
export function findFresh(
  cache: ResponseCache | undefined,
  version: FunctionVersion,
  request: Request,
): InvocationResponse | undefined {
  if (cache === undefined || cache.bytes === 0 || version.cache === false) return undefined;
  const { method, url, headers } = request;
  if (method !== "GET" && method !== "HEAD") return undefined;
  for (const name of OWN_BUSINESS) if (headers.has(name)) return undefined;
  return cache.fresh(cacheKey(version, url), request);
}

/** Answers from the cache, or by the function. @throws {IsopodError} */
export function answerCached(call: CachedCall): Promise<InvocationResponse> {
  const { cache, version, headers, parts, sender } = call;
  let habit = habits.get(version);
  if (habit === undefined) {
    habit = newHabit();
    habits.set(version, habit);
  }
  return cache.through({
    ...{ key: cacheKey(version, parts.url), project: version.project, functionName: version.name },
    ...{ method: parts.method, url: parts.url, headers, habit, sender },
    invoke: (more, until) => call.invoke(withHeaders(parts, more), until),
    refresh: (more, until) => askForNobody(call, more, until),
    restarted: () => call.restarted(),
  });
}

function withHeaders(parts: InvocationParts, more: HeaderList): InvocationParts {
  return more.length === 0 ? parts : { ...parts, headers: [...parts.headers, ...more] };
}

/** Invokes the function to have its answer kept, under its own limits and with a record of its own. */
async function askForNobody(call: CachedCall, more: HeaderList, sender: Sender): Promise<InvocationResponse> {
  const { observer, invoker, version, parts, record } = call;
  const { limits } = version;
  const own = new ExchangeRecord(observer, newRequestId(), "GET", record.host, record.path);
  own.remoteAddress = "cache";
  own.target = record.target;
  own.functionName = record.functionName;
  own.project = record.project;
  own.version = record.version;
  try {
    const headers = parts.headers.filter(([name]) => name !== "if-none-match" && name !== "if-modified-since");
    const whole = withHeaders({ ...parts, method: "GET", headers }, more);
    const asked = completeRequest(whole, own, sender, own);
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
