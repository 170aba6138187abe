/** The admin API, as every command calls it: one server, one caller, one project; failures that say the next step. */
import type { StreamEvent } from "../../sdk/event_stream.ts";
import { CommandFailure, EXIT, type ExitCode } from "../exit_codes.ts";
import { DEFAULT_URL, type SharedOptions } from "./command_options.ts";
import { errorOf, type ServerError, send } from "./server_client.ts";
import { findTarget, type Target } from "./target.ts";

/** A request may take this long, an upload too; streams of events have no end of their own. */
const REQUEST_MS_MAX = 300_000;
const PAGES_MAX = 1000;
/** What is sent as it is; everything else as JSON. */
const RAW_BODIES = [Blob, Uint8Array, FormData, ReadableStream];

/** What goes with a request. */
export interface CallOptions {
  /** The revision that the change is made to; the server refuses when there is another by now. */
  readonly ifMatch?: number | string | undefined;
  /** Whether there must be nothing yet. */
  readonly absent?: boolean;
  readonly signal?: AbortSignal;
}

/** What the server refused, with everything that it said. */
export class ApiFailure extends CommandFailure {
  readonly code: string;
  readonly status: number;
  readonly limit: ServerError["limit"];
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly requestId: string | undefined;

  constructor(status: number, error: ServerError, target: Target) {
    const limit = error.limit === undefined ? "" : `; ${error.limit.name} = ${error.limit.value}`;
    super(`${error.message} (${error.code}${limit})`, {
      exitCode: exitCodeOf(status),
      hint: hintFor(error, status, target),
    });
    this.code = error.code;
    this.status = status;
    this.limit = error.limit;
    this.line = error.line;
    this.column = error.column;
    this.requestId = error.request_id;
  }
}

/** A server's admin API. Paths begin with `/v1`; `inProject` and `ofFunction` make those of the project. */
export class AdminClient {
  readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  /** `/v1/projects/PROJECT` and `path`. */
  inProject(path: string): string {
    return `/v1/projects/${encodeURIComponent(this.target.project)}${path}`;
  }

  /** `/v1/projects/PROJECT/functions/NAME` and `path`. */
  ofFunction(name: string, path = ""): string {
    return this.inProject(`/functions/${encodeURIComponent(name)}${path}`);
  }

  /** @throws {ApiFailure} as all of these */
  get<T>(path: string, options?: CallOptions): Promise<T> {
    return this.#call("GET", path, undefined, options);
  }

  /** A body is sent as JSON, but for bytes, streams of them, and forms. */
  post<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.#call("POST", path, body, options);
  }

  put<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.#call("PUT", path, body, options);
  }

  patch<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.#call("PATCH", path, body, options);
  }

  delete<T = undefined>(path: string, options?: CallOptions): Promise<T> {
    return this.#call("DELETE", path, undefined, options);
  }

  /** All items of a list, page by page. */
  async list<T>(path: string, options?: CallOptions): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const query = `${path.includes("?") ? "&" : "?"}limit=1000${cursor === undefined ? "" : `&cursor=${cursor}`}`;
      const page = await this.get<{ items: T[]; next?: string }>(`${path}${query}`, options);
      items.push(...page.items);
      cursor = page.next;
      if (cursor === undefined) return items;
    }
    throw new CommandFailure(`Cannot list ${path}: there are more than ${PAGES_MAX} pages`);
  }

  /** The events of a stream, as they come, until the server or `signal` ends it. */
  async *events(path: string, signal?: AbortSignal): AsyncGenerator<StreamEvent> {
    const init = { headers: { accept: "text/event-stream" }, ...(signal !== undefined && { signal }) };
    const { body } = await this.raw(path, init);
    const { readEvents } = await import("../../sdk/event_stream.ts");
    if (body !== null) yield* readEvents(body);
  }

  /** The answer as it comes, for what is no JSON. @throws {ApiFailure} when it is a refusal */
  async raw(path: string, init: RequestInit = {}): Promise<Response> {
    const { url, token } = this.target;
    const headers = new Headers(init.headers);
    if (token === undefined) throw tokenMissing(this.target);
    headers.set("authorization", `Bearer ${token}`);
    const whole = new URL(`${url.href.replace(/\/+$/, "")}${path}`);
    const response = await send(whole, { ...init, headers });
    if (!response.ok) throw new ApiFailure(response.status, await errorOf(response), this.target);
    return response;
  }

  async #call<T>(method: string, path: string, body: unknown, options: CallOptions = {}): Promise<T> {
    const { ifMatch, absent, signal } = options;
    const headers: Record<string, string> = {};
    if (ifMatch !== undefined) headers["if-match"] = `"${ifMatch}"`;
    if (absent === true) headers["if-none-match"] = "*";
    const isRaw = RAW_BODIES.some((kind) => body instanceof kind);
    if (body !== undefined && !isRaw) headers["content-type"] = "application/json";
    const late = AbortSignal.timeout(REQUEST_MS_MAX);
    const init = {
      method,
      headers,
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      ...(body !== undefined && { body: isRaw ? (body as NonNullable<RequestInit["body"]>) : JSON.stringify(body) }),
    };
    try {
      const text = await (await this.raw(path, init)).text();
      return (text === "" ? undefined : JSON.parse(text)) as T;
    } catch (cause) {
      if (!late.aborted) throw cause;
      const message = `Cannot wait for ${this.target.url.origin} any longer: ${method} ${path} took over ${REQUEST_MS_MAX} ms`;
      throw new CommandFailure(message, { exitCode: EXIT.unreachable, cause });
    }
  }
}

/** The client for a command's options and the environment. */
export function adminClient(options: SharedOptions): AdminClient {
  return new AdminClient(findTarget(options));
}

function tokenMissing({ url, lookedFor }: Target): CommandFailure {
  return new CommandFailure(`Cannot find a token for ${url.origin} (looked for ${lookedFor})`, {
    exitCode: EXIT.notAllowed,
    hint: "set ISOPOD_TOKEN, or name the server's data with --data, or a profile with --profile",
  });
}

/** The exit code for an answer of this status, which is 400 or more. */
export function exitCodeOf(status: number): ExitCode {
  if (status === 401 || status === 403) return EXIT.notAllowed;
  if (status === 404) return EXIT.notFound;
  return status === 409 || status === 412 ? EXIT.conflict : EXIT.failed;
}

/** What to do next, where a code says it. */
function hintFor({ code, message }: ServerError, status: number, { url, lookedFor }: Target): string | undefined {
  switch (code) {
    case "unauthorized":
      return `the token comes from ${lookedFor}; a server's own stands in DATA/admin-token, keys are made by \`isopod keys create\``;
    case "forbidden":
      if (message.startsWith("The key is of project")) return "--project or ISOPOD_PROJECT names it";
      return "`isopod keys create --scopes …` makes a key that may; the server's own token may everything";
    case "version_unknown":
      return "`isopod versions NAME` lists the versions";
    case "version_ambiguous":
      return "give more digits of the version; `isopod versions NAME` lists the versions";
    case "route_taken":
      return "`isopod routes` says whose routes there are";
    case "changed_meanwhile":
      return "somebody changed it in between: look again, then repeat the command";
    case "overloaded":
    case "draining":
    case "store_unavailable":
      return "try again in a moment";
    case "not_found":
      // What the gateway says of an address; the admin API would say what is not there.
      if (!message.startsWith("Nothing answers at /v1/")) return undefined;
      return `${url.origin} is where functions answer; name the admin API, by default ${DEFAULT_URL}`;
    default:
      return status === 404 && code.startsWith("http_") ? `is ${url.origin} the admin address of a server?` : undefined;
  }
}
