/**
 * Calls of functions from inside the server, as the gateway answers them: by what is deployed now, under the callee's
 * own limits and those that the caller names, with a record like any other request's.
 *
 * A call reaches what the function's routes reach, its static files too; kept answers are for requests from outside.
 */
import { PRODUCTION, type RoutedFunction } from "../core/deployment.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import type { FunctionVersion } from "../core/function.ts";
import { CALL_DEPTH_MAX, type FunctionCaller, type InternalCall } from "../core/function_caller.ts";
import type { InvocationRequest, InvocationResponse, Invoker } from "../core/invocation.ts";
import { combineLimits, type Limits } from "../core/limits.ts";
import type { Observer } from "../core/observer.ts";
import { AssetAnswers } from "./assets/asset_answer.ts";
import { decodePath } from "./assets/exchange.ts";
import { ExchangeRecord, newRequestId } from "./exchange_record.ts";
import { ownParams, recordCall } from "./function_call.ts";
import type { Snapshot } from "./snapshot.ts";
import { aliasOf, chooseVersion } from "./version_choice.ts";
import { WatchedRecord } from "./watched_record.ts";
import { wholeAnswer } from "./whole_answer.ts";
import { insideHeaders } from "./work.ts";

/** What calling takes. */
export interface InternalCallParts {
  readonly invoker: Invoker;
  readonly observer: Observer;
  /** What is deployed now. */
  snapshot(): Snapshot;
}

/** Makes the caller. */
export function createFunctionCaller(parts: InternalCallParts): FunctionCaller {
  return new InternalCalls(parts);
}

class InternalCalls implements FunctionCaller {
  readonly #parts: InternalCallParts;
  readonly #assets = new AssetAnswers();

  constructor(parts: InternalCallParts) {
    this.#parts = parts;
  }

  async call(call: InternalCall): Promise<InvocationResponse> {
    const { requestId = newRequestId(), method, source, project } = call;
    const address = new URL(call.url);
    // Events have no address of their own: who reads a log looks for what has sent them.
    const path = isEvent(call) ? source : address.pathname;
    const record = new ExchangeRecord(this.#parts.observer, requestId, method, address.host, path);
    record.remoteAddress = source;
    record.parentRequestId = call.parentRequestId;
    record.project = project;
    try {
      const snapshot = this.#parts.snapshot();
      const fn = functionOf(snapshot, call);
      const version = versionOf(fn, call);
      recordCall(record, version);
      checkDepth(call);
      call.observer?.chosen?.(version);
      const { pathname } = address;
      const params = ownParams(snapshot, fn, method, pathname);
      const file = await this.#file(version, call, address, params);
      record.responseBytes = file?.over?.figures.responseBytes ?? 0;
      const response = file ?? (await this.#invoke(version, call, record, params));
      record.answered(response, response.status);
      return response;
    } catch (thrown) {
      const error = toIsopodError(thrown);
      record.status = error.status;
      record.finish(error);
      throw error;
    }
  }

  #invoke(
    version: FunctionVersion,
    call: InternalCall,
    record: ExchangeRecord,
    params: InvocationRequest["params"],
  ): Promise<InvocationResponse> {
    const own = call.limits === undefined ? version.limits : combineLimits(version.limits, call.limits);
    const target = { kind: "function", version, limits: limitsUntil(own, call.deadline) } as const;
    return this.#parts.invoker.invoke(target, requestOf(call, record, params));
  }

  /** The static file that answers instead of the function, where there is one. Never compressed: programs read it. */
  async #file(
    { assets }: FunctionVersion,
    { method, headers, entry }: InternalCall,
    { pathname, search }: URL,
    params: InvocationRequest["params"],
  ): Promise<InvocationResponse | undefined> {
    if (assets === undefined || entry !== undefined) return undefined;
    const told = new Headers(headers as [string, string][]);
    told.delete("accept-encoding");
    const path = params["*"] ?? decodePath(pathname);
    const file = await this.#assets.answer(assets, { method, headers: told, path, urlPath: pathname, query: search });
    if (file === undefined) return undefined;
    const body = file.body instanceof Blob ? file.body.stream() : file.body;
    return wholeAnswer(file.status, file.headers, body, file.bytes);
  }
}

const NO_HEADERS = new Headers();

/** @throws {IsopodError} `not_found` */
function functionOf(snapshot: Snapshot, { project, functionName }: InternalCall): RoutedFunction {
  const fn = snapshot.functionOf(project, functionName);
  if (fn !== undefined) return fn;
  throw new IsopodError("not_found", { message: `Cannot call "${functionName}": there is no such function.` });
}

/** @throws {IsopodError} `not_found` */
function versionOf(fn: RoutedFunction, { alias = PRODUCTION, version }: InternalCall): FunctionVersion {
  if (version !== undefined) return fn.find(version);
  return chooseVersion(aliasOf(fn, alias), { headers: NO_HEADERS, keyHash: undefined }).version;
}

/** @throws {IsopodError} `call_depth` */
function checkDepth({ depth, functionName }: InternalCall): void {
  if (depth <= CALL_DEPTH_MAX) return;
  throw new IsopodError("call_depth", {
    message: `Cannot call "${functionName}": ${CALL_DEPTH_MAX} calls of functions stand upon one another.`,
    limit: { name: "callDepthMax", value: CALL_DEPTH_MAX },
  });
}

function isEvent({ entry }: InternalCall): boolean {
  return entry === "scheduled" || entry === "queue";
}

/** The callee's limits, ending with its caller. */
function limitsUntil(limits: Limits, deadline: number | undefined): Limits {
  if (deadline === undefined) return limits;
  const leftMs = Math.max(1, Math.round(deadline - Date.now()));
  return leftMs < limits.wallMs ? { ...limits, wallMs: leftMs } : limits;
}

function requestOf(call: InternalCall, record: ExchangeRecord, params: InvocationRequest["params"]): InvocationRequest {
  const { method, url, headers, source, body, entry, exportName, argsJson, depth, signal, observer } = call;
  const { requestId } = record;
  const told = insideHeaders(headers, source, isEvent(call));
  return {
    ...{ requestId, method, url, headers: told, body, params },
    ...{ entry, exportName, argsJson, depth, signal },
    observer: observer?.log === undefined ? record : new WatchedRecord(record, observer),
  };
}
