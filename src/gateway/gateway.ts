/**
 * The data plane's front door: from a request to its answer, in the order of the design.
 *
 * Route or codeless endpoint, caller and plan, host and origin, admission, then the invocation. It reads one snapshot
 * and asks nobody else. It buffers nothing, and what is cut off shows as cut off.
 */
import { type ErrorCode, IsopodError, toIsopodError } from "../core/errors.ts";
import type { FunctionVersion } from "../core/function.ts";
import { type HeaderList, type Invoker, whenOver } from "../core/invocation.ts";
import type { Observer } from "../core/observer.ts";
import type { Admission, Lease } from "./admission.ts";
import { type Caller, identifyCaller, identifyRunner } from "./callers.ts";
import type { Codeless } from "./codeless.ts";
import { codelessRest } from "./codeless_request.ts";
import { answerWithEvents } from "./event_answer.ts";
import { ExchangeRecord, errorResponse, newRequestId } from "./exchange_record.ts";
import { toHttp } from "./http_answer.ts";
import { asksForSocket, type Exchange } from "./listener.ts";
import { checkHead, toldLength } from "./request_head.ts";
import type { RouteMatch } from "./router.ts";
import type { Snapshot } from "./snapshot.ts";
import { checkWeb, isPreflight } from "./web_guard.ts";
import { completeRequest, passedHeaders, type Work } from "./work.ts";

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly invoker: Invoker;
  readonly admission: Admission;
  readonly codeless: Codeless;
  readonly observer: Observer;
  /** Whether the data plane listens on a loopback address. */
  readonly loopback: boolean;
  readonly snapshot: Snapshot;
}

type Found = Extract<RouteMatch<FunctionVersion>, { kind: "found" }>;

const NO_HEADERS: HeaderList = [];

/** The listener closes connections that say nothing; a program may be silent until its wall limit, and a little more. */
const SILENCE_SLACK_MS = 1000;

/** After these nobody can be sure where the next request begins. */
const ENDS_CONNECTION: ReadonlySet<ErrorCode> = new Set(["bad_request", "body_timeout"]);

/** The front door. */
export class Gateway {
  readonly #options: GatewayOptions;
  #snapshot: Snapshot;

  constructor(options: GatewayOptions) {
    this.#options = options;
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
      const route = codeless ? undefined : findRoute(snapshot, method, record.host, path);
      const admitted = this.#options.admission.admit(caller.key, caller.plan, request);
      lease = admitted instanceof Promise ? await admitted : admitted;
      const work =
        route === undefined
          ? await this.#prepareProgram(request, exchange, snapshot, caller, record)
          : this.#prepareFunction(request, exchange, snapshot, caller, record, route);
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
    return checkWeb(head, { origins, loopback, namesHost: snapshot.router.namesHost });
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

  #prepareFunction(
    request: Request,
    exchange: Exchange,
    snapshot: Snapshot,
    caller: Caller,
    record: ExchangeRecord,
    route: Found,
  ): Work {
    const version = route.target;
    const limits = snapshot.limitsOf(version, caller.plan);
    record.target = version.name;
    record.functionName = version.name;
    const { method, url, headers } = request;
    if ((toldLength(headers) ?? 0) > limits.bodyBytesMax) {
      const limit = { name: "bodyBytesMax", value: limits.bodyBytesMax };
      throw new IsopodError("body_too_large", { limit });
    }
    const webSocket = asksForSocket(request);
    const passed = passedHeaders(headers, record.remoteAddress, caller.byKey);
    const parts = { method, url, headers: passed, body: exchange.body(), params: route.params, webSocket };
    return {
      events: false,
      silenceMs: limits.wallMs,
      webSocket,
      invoke: (sender, observer) =>
        this.#options.invoker.invoke(
          { kind: "function", version, limits },
          completeRequest(parts, record, sender, observer),
        ),
    };
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

/** @throws {IsopodError} `not_found`, `method_not_allowed` */
function findRoute(snapshot: Snapshot, method: string, host: string, path: string): Found {
  const match = snapshot.router.match(method, host, path);
  if (match.kind === "found") return match;
  if (match.kind === "none")
    throw new IsopodError("not_found", { message: `Nothing answers at ${path.slice(0, 200)}.` });
  throw new IsopodError("method_not_allowed", {
    message: `${path.slice(0, 200)} answers ${match.allow.join(", ")}, not ${method}.`,
    allow: match.allow,
  });
}
