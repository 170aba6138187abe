/**
 * From a request that is for a function to the version that answers it.
 *
 * A route leads to an alias, and `Isopod-Version` on the request to a version of that function; a preview's host names
 * function and version itself. Versions that no alias stands for are for everybody where only this machine can call, and
 * elsewhere for keys of the function's project.
 */
import type { RoutedFunction } from "../core/deployment.ts";
import { IsopodError } from "../core/errors.ts";
import { DEFAULT_PROJECT, type FunctionVersion } from "../core/function.ts";
import { type HeaderList, type Invoker, NO_PARAMS } from "../core/invocation.ts";
import type { Observer } from "../core/observer.ts";
import type { Sender } from "./admission.ts";
import { answerCached } from "./cache/cached_function.ts";
import type { ResponseCache } from "./cache/response_cache.ts";
import type { Caller } from "./callers.ts";
import type { ExchangeRecord } from "./exchange_record.ts";
import { asksForSocket, type Exchange } from "./listener.ts";
import { toldLength } from "./request_head.ts";
import type { Snapshot } from "./snapshot.ts";
import { aliasOf, chooseVersion, type PreviewName, readPreviewHost } from "./version_choice.ts";
import { completeRequest, type InvocationParts, passedHeaders, type Work } from "./work.ts";

/** What is to be called. */
export interface FunctionCall {
  readonly version: FunctionVersion;
  readonly params: Readonly<Record<string, string>>;
  /** What the answer says beside its own headers. */
  readonly headers: HeaderList;
}

/** The request, as far as finding its function goes. */
export interface CallHead {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: { get(name: string): string | null };
  /** Whether the data plane listens on a loopback address. */
  readonly loopback: boolean;
}

const NO_HEADERS: HeaderList = [];

/** The listener closes connections that say nothing; a program may be silent until its wall limit, and a little more. */
export const SILENCE_SLACK_MS = 1000;

/** @throws {IsopodError} `not_found`, `method_not_allowed`, `forbidden`, `version_unknown`, `version_ambiguous` */
export function findCall(snapshot: Snapshot, head: CallHead, caller: Caller): FunctionCall {
  const { method, host, path, headers } = head;
  const preview = readPreviewHost(host, snapshot.source.previewDomains);
  if (preview !== undefined) return findPreview(snapshot, head, caller, preview);
  const match = snapshot.router.match(method, host, path);
  if (match.kind === "none") throw nothingAt(path);
  if (match.kind === "method") {
    throw new IsopodError("method_not_allowed", {
      message: `${path.slice(0, 200)} answers ${match.allow.join(", ")}, not ${method}.`,
      allow: match.allow,
    });
  }
  const { target, params } = match;
  const fn = snapshot.source.functions.get(target.key);
  if (fn === undefined) throw nothingAt(path);
  const asked = headers.get("isopod-version");
  if (asked === null) {
    const choice = chooseVersion(aliasOf(fn, target.alias), { headers, keyHash: caller.known?.hash });
    return { version: choice.version, params, headers: choice.headers };
  }
  checkInsider(fn, head, caller);
  return { version: fn.find(asked), params, headers: NO_HEADERS };
}

/** A preview answers at every path; where a route of the same function matches, with that route's parameters. */
function findPreview(snapshot: Snapshot, head: CallHead, caller: Caller, preview: PreviewName): FunctionCall {
  const fn = snapshot.functionOf(preview.project, preview.name);
  // Whether there is such a function is nobody's business who may not call it.
  if (fn === undefined) throw nothingAt(head.host);
  checkInsider(fn, head, caller);
  const params = ownParams(snapshot, fn, head.method, head.path);
  return { version: fn.find(preview.version), params, headers: NO_HEADERS };
}

/** The path's parameters by the function's own routes that name no host; none where none of them matches. */
export function ownParams(
  snapshot: Snapshot,
  fn: RoutedFunction,
  method: string,
  path: string,
): FunctionCall["params"] {
  const match = snapshot.router.match(method, "", path);
  const isOwn = match.kind === "found" && match.target.project === fn.project && match.target.name === fn.name;
  return isOwn ? match.params : NO_PARAMS;
}

/** @throws {IsopodError} `forbidden` */
export function checkInsider(
  fn: Pick<RoutedFunction, "project">,
  head: Pick<CallHead, "loopback">,
  caller: Caller,
): void {
  if (head.loopback) return;
  const { known } = caller;
  if (known !== undefined && (known.project ?? DEFAULT_PROJECT) === fn.project) return;
  throw new IsopodError("forbidden", {
    message: "Previews, named versions and JSON-RPC need an API key of the function's project with the scope invoke.",
  });
}

/** What answering by functions takes. */
export interface FunctionParts {
  readonly invoker: Invoker;
  readonly observer: Observer;
  /** Undefined where nothing is cached. */
  readonly cache: ResponseCache | undefined;
}

/** The work that answers a request by calling a function's handler. @throws {IsopodError} `body_too_large` */
export function functionWork(
  { invoker, observer, cache }: FunctionParts,
  request: Request,
  exchange: Exchange,
  call: FunctionCall,
  caller: Caller,
  record: ExchangeRecord,
): Work {
  const { version, params } = call;
  const limits = caller.plan.limitsOf(version);
  recordCall(record, version);
  const { method, url, headers } = request;
  if ((toldLength(headers) ?? 0) > limits.bodyBytesMax) {
    const limit = { name: "bodyBytesMax", value: limits.bodyBytesMax };
    throw new IsopodError("body_too_large", { limit });
  }
  const webSocket = asksForSocket(request);
  const passed = passedHeaders(headers, record.remoteAddress, caller.byKey);
  const body = exchange.body();
  const parts = { method, url, headers: passed, body, params, webSocket };
  const target = { kind: "function", version, limits } as const;
  const isCached = cache !== undefined && version.cache !== false && !webSocket && (body === null || method !== "GET");
  return {
    events: false,
    silenceMs: limits.wallMs,
    webSocket,
    invoke: (sender, told) => {
      const invoke = (asked: InvocationParts, until: Sender) =>
        invoker.invoke(target, completeRequest(asked, record, until, told));
      if (!isCached) return invoke(parts, sender);
      const restarted = () => exchange.allowSilence(limits.wallMs + SILENCE_SLACK_MS);
      return answerCached({
        ...{ cache, observer, invoker, version, headers, parts, record, sender, invoke, restarted },
      });
    },
  };
}

/** Says in the record which function was called. */
export function recordCall(record: ExchangeRecord, { project, name, version }: FunctionVersion): void {
  record.target = project === DEFAULT_PROJECT ? name : `${project}/${name}`;
  record.functionName = name;
  record.project = project;
  record.version = version;
}

/** Paths of AWS's API begin with the day of their version. */
const LAMBDA_PATH = /^\/20\d\d-\d\d-\d\d\/(functions|tags|event-|account-)/;

function nothingAt(path: string): IsopodError {
  const hint = LAMBDA_PATH.test(path)
    ? ": the Lambda API is at the admin address, 127.0.0.1:8081 unless it is set"
    : "";
  return new IsopodError("not_found", { message: `Nothing answers at ${path.slice(0, 200)}${hint}.` });
}
