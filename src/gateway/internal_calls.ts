/**
 * Calls of functions from inside the server, as the gateway answers them: by what is deployed now, under the callee's
 * own limits and those that the caller names, with a record like any other request's.
 */
import { PRODUCTION } from "../core/deployment.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { CALL_DEPTH_MAX, type CallObserver, type FunctionCaller, type InternalCall } from "../core/function_caller.ts";
import {
  type InvocationEnd,
  type InvocationObserver,
  type InvocationRequest,
  type InvocationResponse,
  type Invoker,
  type LogLine,
  NO_PARAMS,
} from "../core/invocation.ts";
import { combineLimits, type Limits } from "../core/limits.ts";
import type { Observer } from "../core/observer.ts";
import { ExchangeRecord, newRequestId } from "./exchange_record.ts";
import { recordCall } from "./function_call.ts";
import type { Snapshot } from "./snapshot.ts";
import { aliasOf, chooseVersion } from "./version_choice.ts";

/** What calling takes. */
export interface InternalCallParts {
  readonly invoker: Invoker;
  readonly observer: Observer;
  /** What is deployed now. */
  snapshot(): Snapshot;
}

const NO_HEADERS = new Headers();

/** Makes the caller. */
export function createFunctionCaller(parts: InternalCallParts): FunctionCaller {
  return { call: (call) => callFunction(parts, call) };
}

async function callFunction(parts: InternalCallParts, call: InternalCall): Promise<InvocationResponse> {
  const { invoker, observer } = parts;
  const { host, pathname } = new URL(call.url);
  // Events have no address of their own: who reads a log looks for what has sent them.
  const path = call.entry === "scheduled" || call.entry === "queue" ? call.source : pathname;
  const record = new ExchangeRecord(observer, call.requestId ?? newRequestId(), call.method, host, path);
  record.remoteAddress = call.source;
  try {
    if (call.depth > CALL_DEPTH_MAX) {
      const limit = { name: "callDepthMax", value: CALL_DEPTH_MAX };
      throw new IsopodError("call_depth", {
        message: `Cannot call "${call.functionName}": ${CALL_DEPTH_MAX} calls of functions stand upon one another.`,
        limit,
      });
    }
    const version = versionOf(parts.snapshot(), call);
    recordCall(record, version);
    call.observer?.chosen?.(version);
    const own = call.limits === undefined ? version.limits : combineLimits(version.limits, call.limits);
    const limits = limitsUntil(own, call.deadline);
    const response = await invoker.invoke({ kind: "function", version, limits }, requestOf(call, record));
    record.answered(response, response.status);
    return response;
  } catch (thrown) {
    const error = toIsopodError(thrown);
    record.status = error.status;
    record.finish(error);
    throw error;
  }
}

function versionOf(snapshot: Snapshot, { project, functionName, alias = PRODUCTION, version }: InternalCall) {
  const fn = snapshot.functionOf(project, functionName);
  if (fn === undefined) {
    throw new IsopodError("not_found", { message: `Cannot call "${functionName}": there is no such function.` });
  }
  if (version !== undefined) return fn.find(version);
  return chooseVersion(aliasOf(fn, alias), { headers: NO_HEADERS, keyHash: undefined }).version;
}

/** The callee's limits, ending with its caller. */
function limitsUntil(limits: Limits, deadline: number | undefined): Limits {
  if (deadline === undefined) return limits;
  const leftMs = Math.max(1, Math.round(deadline - Date.now()));
  return leftMs < limits.wallMs ? { ...limits, wallMs: leftMs } : limits;
}

function requestOf(call: InternalCall, record: ExchangeRecord): InvocationRequest {
  const { method, url, headers, body, entry, exportName, argsJson, depth, signal, observer } = call;
  const { requestId } = record;
  return {
    requestId,
    method,
    url,
    headers,
    body,
    params: NO_PARAMS,
    entry,
    exportName,
    argsJson,
    depth,
    signal,
    observer: observer?.log === undefined ? record : new WatchedRecord(record, observer),
  };
}

/** The record of a call whose caller reads along. */
class WatchedRecord implements InvocationObserver {
  readonly #record: ExchangeRecord;
  readonly #observer: CallObserver;

  constructor(record: ExchangeRecord, observer: CallObserver) {
    this.#record = record;
    this.#observer = observer;
  }

  log(line: LogLine): void {
    this.#record.log(line);
    this.#observer.log?.(line);
  }

  ended(end: InvocationEnd): void {
    this.#record.ended(end);
  }
}
