/**
 * The data plane's front door: from a request to its answer, in the order of the design.
 *
 * Route or codeless endpoint, caller and plan, host and origin, admission, then the invocation. It reads one snapshot
 * and asks nobody else. It buffers nothing, and what is cut off shows as cut off.
 */
import { type ErrorCode, type IsopodError, toIsopodError } from "../core/errors.ts";
import { type HeaderList, type Invoker, whenOver } from "../core/invocation.ts";
import type { Observer } from "../core/observer.ts";
import type { Admission, Lease } from "./admission.ts";
import { AssetAnswers } from "./assets/asset_answer.ts";
import { assetRequest, sendAsset } from "./assets/exchange.ts";
import { findFresh } from "./cache/cached_function.ts";
import type { ResponseCache } from "./cache/response_cache.ts";
import { type Caller, callerFor, identifyCaller, identifyRunner } from "./callers.ts";
import type { Codeless } from "./codeless/codeless.ts";
import { answerWithEvents } from "./codeless/event_answer.ts";
import { codelessRest } from "./codeless/request.ts";
import { ExchangeRecord, errorResponse, newRequestId } from "./exchange_record.ts";
import { type CallHead, findCall, functionWork, recordCall, SILENCE_SLACK_MS } from "./function_call.ts";
import { toHttp } from "./http_answer.ts";
import { JsonRpc, rpcFunction } from "./json_rpc.ts";
import type { Exchange } from "./listener.ts";
import { checkHead } from "./request_head.ts";
import type { Snapshot } from "./snapshot.ts";
import { readPreviewHost } from "./version_choice.ts";
import { checkWeb, isPreflight } from "./web_guard.ts";
import type { Work } from "./work.ts";

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly invoker: Invoker;
  readonly admission: Admission;
  readonly codeless: Codeless;
  readonly observer: Observer;
  /** Of answers; undefined where nothing is cached. */
  readonly cache: ResponseCache | undefined;
  /** Whether the data plane listens on a loopback address. */
  readonly loopback: boolean;
  readonly snapshot: Snapshot;
}

const NO_HEADERS: HeaderList = [];

/** After these nobody can be sure where the next request begins. */
const ENDS_CONNECTION: ReadonlySet<ErrorCode> = new Set(["bad_request", "body_timeout"]);

/** The front door. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #rpc: JsonRpc;
  readonly #assets = new AssetAnswers();
  #snapshot: Snapshot;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#rpc = new JsonRpc(options);
    this.#snapshot = options.snapshot;
  }

  /** Routes requests by `snapshot` from now on; those under way go on as they began. */
  replace(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
  }

  /** Answers one request. Never rejects. */
  readonly handle = async (request: Request, exchange: Exchange): Promise<Response | undefined> => {
    const { url, method, headers } = request;
    const path = pathOf(url);
    const record = new ExchangeRecord(this.#options.observer, newRequestId(), method, headers.get("host") ?? "", path);
    let extra: HeaderList = NO_HEADERS;
    let lease: Lease | undefined;
    try {
      const snapshot = this.#snapshot;
      record.remoteAddress = exchange.remoteAddress();
      checkHead(method, url, headers);
      const codeless = codelessRest(path, snapshot.codelessPath) !== undefined;
      const identify = codeless ? identifyRunner : identifyCaller;
      const caller = identify(headers.get("authorization"), record.remoteAddress, snapshot);
      const verdict = this.#guard(request, caller, snapshot);
      extra = verdict.headers;
      if (verdict.kind === "preflight") return this.#preflight(record, extra);
      const { loopback } = this.#options;
      const head: CallHead = { method, host: record.host, path, headers, loopback };
      const rpc = codeless ? undefined : rpcFunction(path, snapshot.rpcPath);
      if (rpc !== undefined)
        return await this.#rpc.answer({ request, exchange, snapshot, caller, record, head, extra }, rpc);
      const call = codeless ? undefined : findCall(snapshot, head, caller);
      const payer = call === undefined ? caller : callerFor(caller, call.version, snapshot);
      const admitted = this.#options.admission.admit(payer.key, payer.plan, request);
      lease = admitted instanceof Promise ? await admitted : admitted;
      if (call !== undefined && call.headers.length > 0) extra = [...extra, ...call.headers];
      const folder = call?.version.assets;
      if (call !== undefined && folder !== undefined) {
        const asset = await this.#assets.answer(folder, assetRequest(request, path, call));
        // What is left to do is the listener's, and takes no more than the connection.
        if (asset !== undefined) {
          lease.release();
          return sendAsset(asset, call.version, record, extra);
        }
      }
      const hit = call === undefined ? undefined : findFresh(this.#options.cache, call.version, request);
      if (call !== undefined && hit !== undefined) {
        lease.release();
        recordCall(record, call.version);
        return toHttp(hit, record, exchange, extra);
      }
      const work =
        call === undefined
          ? await this.#prepareProgram(request, exchange, snapshot, caller, record)
          : functionWork(this.#options, request, exchange, call, payer, record);
      exchange.allowSilence(work.silenceMs + SILENCE_SLACK_MS);
      if (work.events) return answerWithEvents(work, record, extra, request.signal, releaseOf(lease));
      const response = await work.invoke(request, record);
      whenOver(response, releaseOf(lease));
      return toHttp(response, record, exchange, extra);
    } catch (thrown) {
      lease?.release();
      exchange.endSilence();
      return this.#fail(toIsopodError(thrown), record, extra);
    }
  };

  #guard(request: Request, caller: Caller, snapshot: Snapshot) {
    const head = { method: request.method, secure: false, headers: request.headers };
    const origins = isPreflight(head) ? snapshot.origins : caller.plan.origins;
    const { loopback } = this.#options;
    return checkWeb(head, { origins, loopback, namesHost: (host) => namesHost(snapshot, host) });
  }

  #prepareProgram(
    request: Request,
    exchange: Exchange,
    snapshot: Snapshot,
    caller: Caller,
    record: ExchangeRecord,
  ): Promise<Work> {
    record.target = snapshot.codelessPath;
    const { bodyIdleMs } = exchange;
    exchange.allowSilence(bodyIdleMs + SILENCE_SLACK_MS);
    const { method, url, headers } = request;
    const head = {
      ...{ method, url, headers, bodyIdleMs },
      get body() {
        return exchange.body();
      },
      bytes: () => request.bytes(),
    };
    return this.#options.codeless.prepare(head, snapshot.codelessPath, caller, record);
  }

  #preflight(record: ExchangeRecord, headers: HeaderList): Response {
    record.status = 204;
    record.finish(undefined);
    return new Response(null, {
      status: 204,
      headers: [["isopod-request-id", record.requestId], ...headers] as [string, string][],
    });
  }

  #fail(error: IsopodError, record: ExchangeRecord, extra: HeaderList): Response {
    record.status = error.status;
    record.finish(error);
    const { allow } = error.details;
    const ends = ENDS_CONNECTION.has(error.code) ? [...extra, ["connection", "close"] as const] : extra;
    return errorResponse(error, record.requestId, allow === undefined ? ends : [...ends, ["allow", allow.join(", ")]]);
  }
}

function releaseOf(lease: Lease): () => void {
  return () => lease.release();
}

/** The path of an absolute URL, without its query. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}

/** Whether a route names the host, or it may be one of a preview. */
function namesHost(snapshot: Snapshot, host: string): boolean {
  return snapshot.router.namesHost(host) || readPreviewHost(host, snapshot.source.previewDomains) !== undefined;
}
