/**
 * One request's way through its middlewares: the hooks before, the function, the hooks after.
 *
 * Bodies are held whole between them, under a limit. All of it stands under the wall limit of the function. An answer that a function fails
 * to give is shown to the hooks after it, which can change nothing about it and which nobody waits for.
 */
import { errorBody, type IsopodError, toIsopodError } from "../../core/errors.ts";
import type { MiddlewareChain } from "../../core/function.ts";
import type { InvocationRequest, InvocationResponse, Invoker, Target } from "../../core/invocation.ts";
import type { Span } from "../../core/middleware.ts";
import { HOOK_BODY_BYTES_MAX, HOOK_HEADER, HOOK_TEXT_BYTES_MAX, type HookAsk, readSpans } from "../../wire/hooks.ts";
import { hookAnswer, hookFailure, hookLimit, hookRequest, hookTarget, type ReadHook, retargeted } from "./hook.ts";
import { joined, ownWallLimit, plain, short } from "./pieces.ts";
import { wholeBody } from "./whole_body.ts";

/** Who runs what. */
export interface MiddlewareParts {
  /** Runs the functions and programs themselves. */
  readonly functions: Invoker;
  /** Runs hooks; what bounds functions does not bound these. */
  readonly hooks: Invoker;
}

/** Such a way. */
export class Round {
  readonly #parts: MiddlewareParts;
  readonly #chain: MiddlewareChain;
  readonly #target: Target;
  readonly #request: InvocationRequest;
  readonly #startedAt = performance.now();
  readonly #beganAt = Date.now();
  /** An event of the invoke API: its body is the event, and its answer's the result. */
  readonly #isPayload: boolean;

  constructor(parts: MiddlewareParts, chain: MiddlewareChain, target: Target, request: InvocationRequest) {
    this.#parts = parts;
    this.#chain = chain;
    this.#target = target;
    this.#request = request;
    this.#isPayload = target.kind === "function" && request.argsJson !== undefined;
  }

  /** @throws {IsopodError} */
  async run(): Promise<InvocationResponse> {
    if (!this.#chain.hasBefore) return this.#call(this.#request);
    const { response, told } = await this.#hook("before", this.#request);
    if (told.kind === "response") return response;
    const { bytes, release } = await wholeBody(response, HOOK_TEXT_BYTES_MAX, () => hookLimit("request"));
    try {
      return await this.#call(retargeted(this.#request, response.headers, bytes, told));
    } finally {
      release();
    }
  }

  async #call(request: InvocationRequest): Promise<InvocationResponse> {
    const { hasAfter, isInline } = this.#chain;
    const startMs = this.#elapsedMs;
    // Its end is the request's only where nothing follows.
    const asked = hasAfter ? { ...plain(request), observer: this.#logOnly() } : request;
    const response = await this.#parts.functions.invoke(this.#withTimeLeft(), asked).catch(this.#failed);
    const durationMs = this.#elapsedMs - startMs;
    this.#request.observer?.timed?.([{ name: "function", middleware: "", startMs, durationMs }]);
    const answer = isInline ? this.#withoutHeader(response, startMs) : response;
    // What a WebSocket says is no answer.
    return hasAfter && response.socket === undefined ? this.#after(answer, durationMs) : answer;
  }

  async #after(response: InvocationResponse, durationMs: number): Promise<InvocationResponse> {
    const { status, headers, script } = response;
    const { bytes: body, release } = await wholeBody(response, HOOK_BODY_BYTES_MAX, () => hookLimit("answer")).catch(
      this.#failed,
    );
    try {
      const given = { ...plain(this.#request), headers, body };
      const { response: changed } = await this.#hook("after", given, { status, duration_ms: short(durationMs) });
      const ended = Promise.all([response.ended, changed.ended]).then(([own, after]) => {
        const end = joined(own, after);
        this.#request.observer?.ended?.(end);
        return end;
      });
      return { status: changed.status, headers: changed.headers, body: changed.body, script, ended };
    } finally {
      release();
    }
  }

  /** The function has failed, which is shown to the hooks after it. @throws {IsopodError} what it failed of */
  readonly #failed = (thrown: unknown): never => {
    const error = ownWallLimit(toIsopodError(thrown), this.#target.limits);
    this.#showFailure(error);
    throw error;
  };

  async #hook(
    hook: HookAsk["hook"],
    given: InvocationRequest,
    more: Partial<HookAsk["context"]> & { readonly status?: number } = {},
  ): Promise<ReadHook> {
    const startMs = this.#elapsedMs;
    const { status, ...told } = more;
    const ask: HookAsk = {
      hook,
      ...(this.#isPayload && { form: "json" }),
      want: this.#isPayload ? "body" : this.#chain.takesEvents ? "event" : "request",
      ...(status !== undefined && { status }),
      context: { ...this.#context(), ...told },
    };
    const target = hookTarget(this.#chain, this.#withTimeLeft(), hook);
    try {
      const asked = hookRequest(given, ask, this.#logOnly());
      const read = hookAnswer(await this.#parts.hooks.invoke(target, asked));
      this.#tell(read.told.spans, startMs);
      return read;
    } catch (thrown) {
      throw hookFailure(toIsopodError(thrown), this.#chain);
    }
  }

  #context(): HookAsk["context"] {
    const { requestId: request_id, method, url } = this.#request;
    const name =
      this.#target.kind === "function"
        ? { function: this.#target.version.name, version: this.#target.version.version }
        : { function: `run:${this.#target.plan}`, version: this.#target.program.hash };
    const { wallMs } = this.#target.limits;
    const times = { started_at_ms: this.#beganAt, deadline_ms: Math.round(this.#beganAt + wallMs) };
    return { request_id, ...name, method, path: new URL(url).pathname, ...times };
  }

  /** The function has failed: what it failed of is shown to the hooks after it. */
  #showFailure(error: IsopodError): void {
    if (!this.#chain.hasAfter || error.kind !== "user" || error.code === "client_gone") return;
    const body = new TextEncoder().encode(JSON.stringify({ error: errorBody(error, this.#request.requestId) }));
    const headers = [["content-type", "application/json"]] as const;
    const { signal } = new AbortController();
    const given = { ...plain(this.#request), headers, body, signal };
    const duration_ms = short(this.#elapsedMs);
    const shown = this.#hook("after", given, { status: error.status, duration_ms, error: error.code });
    shown.then(
      async ({ response }) => {
        if (response.body instanceof ReadableStream) await response.body.cancel();
      },
      (failure: IsopodError) => this.#request.observer?.log?.({ level: "warn", text: failure.message }),
    );
  }

  /** What the program's own middlewares tell is taken out of its answer. */
  #withoutHeader(response: InvocationResponse, startMs: number): InvocationResponse {
    const told = response.headers.find(([name]) => name === HOOK_HEADER)?.[1];
    if (told === undefined) return response;
    try {
      this.#tell(readSpans(JSON.parse(told)), startMs);
    } catch {
      // The function has said this itself; it is nobody's loss but its own.
    }
    const headers = response.headers.filter(([name]) => name !== HOOK_HEADER);
    const { status, body, script, socket, over, ended } = response;
    return { status, headers, body, script, socket, over, ended };
  }

  #tell(spans: readonly Span[], fromMs: number): void {
    if (spans.length === 0) return;
    this.#request.observer?.timed?.(spans.map((span) => ({ ...span, startMs: span.startMs + fromMs })));
  }

  /** Hooks and function together have the time that the function alone would have. */
  #withTimeLeft(): Target {
    const { limits } = this.#target;
    const wallMs = Math.max(1, Math.round(limits.wallMs - this.#elapsedMs));
    return { ...this.#target, limits: { ...limits, wallMs } };
  }

  #logOnly(): InvocationRequest["observer"] {
    const { observer } = this.#request;
    return { log: (line) => observer?.log?.(line) };
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }
}
