/**
 * JSON-RPC 2.0: `POST /rpc/FUNCTION` calls the exports of a function's module by their names. (`/rpc/PROJECT/FUNCTION`
 * for projects other than the default one.)
 *
 * Each call is an invocation like any other, with its admission, its limits and its record; those of a batch run a few
 * at a time. Errors have the standard's codes; what ends an invocation is a server error that carries our own code. As
 * exports were not all written for strangers, calling them takes a key of the project where others can reach the server.
 */

import { parseBoundedJson } from "../core/bounded_json.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { type HeaderList, type InvocationResponse, type Invoker, NO_PARAMS } from "../core/invocation.ts";
import type { Observer } from "../core/observer.ts";
import type { Admission } from "./admission.ts";
import { collect, readBytes } from "./body_bytes.ts";
import { type Caller, callerFor } from "./callers.ts";
import { ExchangeRecord, newRequestId } from "./exchange_record.ts";
import { type CallHead, checkInsider, type FunctionCall, recordCall } from "./function_call.ts";
import {
  answerOf,
  parseCall,
  RPC_CODES,
  type RpcAnswer,
  type RpcCall,
  rpcError,
  serverError,
} from "./json_rpc_messages.ts";
import type { Exchange } from "./listener.ts";
import type { Snapshot } from "./snapshot.ts";
import { aliasOf, chooseVersion, shortVersion } from "./version_choice.ts";
import { completeRequest, passedHeaders } from "./work.ts";

/** Calls in one batch, and how many of them run at a time. */
const BATCH_CALLS_MAX = 100;
const BATCH_CONCURRENCY_MAX = 8;
const SILENCE_SLACK_MS = 1000;

/** What calling takes. */
export interface JsonRpcParts {
  readonly invoker: Invoker;
  readonly admission: Admission;
  readonly observer: Observer;
}

/** A request to the endpoint. */
export interface RpcExchange {
  readonly request: Request;
  readonly exchange: Exchange;
  readonly snapshot: Snapshot;
  readonly caller: Caller;
  readonly record: ExchangeRecord;
  readonly head: CallHead;
  readonly extra: HeaderList;
}

/** The function of a path below `rpcPath`, and its project where the path names one; undefined for other paths. */
export function rpcFunction(path: string, rpcPath: string): { project?: string; name: string } | undefined {
  if (!path.startsWith(rpcPath) || path[rpcPath.length] !== "/") return undefined;
  const [first = "", second, ...rest] = path.slice(rpcPath.length + 1).split("/");
  if (first === "" || rest.length > 0) return undefined;
  return second === undefined || second === "" ? { name: first } : { project: first, name: second };
}

/** The endpoint. */
export class JsonRpc {
  readonly #parts: JsonRpcParts;

  constructor(parts: JsonRpcParts) {
    this.#parts = parts;
  }

  /** Answers a request. @throws {IsopodError} when it is not one for a function's methods at all */
  async answer(rpc: RpcExchange, target: { project?: string; name: string }): Promise<Response> {
    const { request, exchange, record, extra } = rpc;
    if (request.method !== "POST") throw new IsopodError("method_not_allowed", { allow: ["POST"] });
    const { call, caller } = this.#resolve(rpc, target);
    const limits = caller.plan.limitsOf(call.version);
    recordCall(record, call.version);
    exchange.allowSilence(limits.wallMs * Math.ceil(BATCH_CALLS_MAX / BATCH_CONCURRENCY_MAX) + SILENCE_SLACK_MS);
    const { headers } = request;
    const holder = {
      headers,
      // Asked for only when it is read as a stream.
      get body() {
        return exchange.body();
      },
      bytes: () => request.bytes(),
    };
    const bounds = { max: limits.bodyBytesMax, code: "body_too_large", idleMs: exchange.bodyIdleMs } as const;
    const text = new TextDecoder().decode(await readBytes(holder, bounds));
    const answer = await this.#answerText(text, { ...rpc, caller }, call);
    exchange.endSilence();
    const all = [["isopod-request-id", record.requestId], ...extra, ...call.headers];
    if (record.version !== undefined) all.push(["isopod-version", shortVersion(record.version)]);
    record.status = answer === undefined ? 204 : 200;
    record.finish(undefined);
    if (answer === undefined) return new Response(null, { status: 204, headers: all as [string, string][] });
    all.push(["content-type", "application/json"]);
    return new Response(JSON.stringify(answer), { headers: all as [string, string][] });
  }

  #resolve({ snapshot, head, caller }: RpcExchange, { project, name }: { project?: string; name: string }) {
    const fn = snapshot.functionOf(project, name);
    if (fn === undefined)
      throw new IsopodError("not_found", { message: `There is no function "${name.slice(0, 100)}".` });
    checkInsider(fn, head, caller);
    const { headers } = head;
    const asked = headers.get("isopod-version");
    const call: FunctionCall =
      asked === null
        ? { params: NO_PARAMS, ...chooseVersion(aliasOf(fn, "production"), { headers, keyHash: caller.known?.hash }) }
        : { params: NO_PARAMS, version: fn.find(asked), headers: [] };
    return { call, caller: callerFor(caller, call.version, snapshot) };
  }

  /** The answer to a text; undefined when it held notifications alone. */
  async #answerText(text: string, rpc: RpcExchange, call: FunctionCall): Promise<RpcAnswer | RpcAnswer[] | undefined> {
    let value: unknown;
    try {
      value = parseBoundedJson(text, "the call");
    } catch (error) {
      return rpcError(null, RPC_CODES.parseError, toIsopodError(error).message);
    }
    if (!Array.isArray(value)) return this.#one(value, rpc, call, rpc.record);
    if (value.length === 0 || value.length > BATCH_CALLS_MAX) {
      return rpcError(null, RPC_CODES.invalidRequest, `Expected from 1 to ${BATCH_CALLS_MAX} calls in a batch`);
    }
    const answers: (RpcAnswer | undefined)[] = new Array(value.length);
    let next = 0;
    const work = async () => {
      for (let at = next++; at < value.length; at = next++) {
        answers[at] = await this.#one(value[at], rpc, call, this.#ownRecord(rpc));
      }
    };
    await Promise.all(Array.from({ length: Math.min(BATCH_CONCURRENCY_MAX, value.length) }, work));
    const said = answers.filter((answer) => answer !== undefined);
    return said.length === 0 ? undefined : said;
  }

  async #one(
    value: unknown,
    rpc: RpcExchange,
    call: FunctionCall,
    record: ExchangeRecord,
  ): Promise<RpcAnswer | undefined> {
    const parsed = parseCall(value);
    if ("error" in parsed) return parsed;
    let answer: RpcAnswer;
    let failure: IsopodError | undefined;
    try {
      answer = await this.#invoke(parsed, rpc, call, record);
    } catch (thrown) {
      failure = toIsopodError(thrown);
      answer = serverError(parsed.id ?? null, failure, record.requestId);
    }
    if (record !== rpc.record) {
      record.status = failure?.status ?? 200;
      record.finish(failure);
    }
    return parsed.id === undefined ? undefined : answer;
  }

  async #invoke(parsed: RpcCall, rpc: RpcExchange, call: FunctionCall, record: ExchangeRecord): Promise<RpcAnswer> {
    const { request, caller } = rpc;
    const { version } = call;
    const limits = caller.plan.limitsOf(version);
    using _lease = await this.#parts.admission.admit(caller.key, caller.plan, request);
    const headers = passedHeaders(request.headers, record.remoteAddress, caller.byKey);
    const { method: exportName, argsJson } = parsed;
    const parts = { method: "POST", url: request.url, headers, body: null, params: NO_PARAMS, argsJson, exportName };
    const target = { kind: "function", version, limits } as const;
    const response = await this.#parts.invoker.invoke(target, completeRequest(parts, record, request, record));
    const text = await textOf(response, limits.responseBytesMax);
    const { error } = await response.ended;
    if (error !== undefined) throw error;
    return answerOf(response.status, text, parsed);
  }

  #ownRecord({ record, request }: RpcExchange): ExchangeRecord {
    const own = new ExchangeRecord(this.#parts.observer, newRequestId(), request.method, record.host, record.path);
    own.remoteAddress = record.remoteAddress;
    own.target = record.target;
    own.functionName = record.functionName;
    own.version = record.version;
    own.project = record.project;
    return own;
  }
}

async function textOf({ body }: InvocationResponse, max: number): Promise<string> {
  const bytes = body instanceof ReadableStream ? await collect(body, { max, code: "body_too_large" }) : body;
  return new TextDecoder().decode(bytes ?? new Uint8Array());
}
