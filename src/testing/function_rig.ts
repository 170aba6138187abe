/** The gateway's calls of functions over an invoker in memory, whose callee answers, is silent or never ends, as it is asked. */
import { type Deployment, PRODUCTION, type RoutedFunction } from "../core/deployment.ts";
import { IsopodError } from "../core/errors.ts";
import type { FunctionVersion } from "../core/function.ts";
import type { FunctionCaller, InternalCall } from "../core/function_caller.ts";
import type { InvocationRequest, InvocationResponse, Invoker, Target } from "../core/invocation.ts";
import { completeLimits } from "../core/limits.ts";
import { ANONYMOUS, type Plan } from "../core/plan.ts";
import { createFunctionCaller } from "../gateway/internal_calls.ts";
import { createSnapshot } from "../gateway/snapshot.ts";
import { wholeAnswer } from "../gateway/whole_answer.ts";
import { deferred } from "../stdx/deferred.ts";

/** The rig: one function, `back`, that nobody but inside callers reach. */
export class FunctionRig {
  readonly caller: FunctionCaller;
  /** What the callee was asked, the limits with it. */
  readonly asked: { readonly request: InvocationRequest; readonly target: Target }[] = [];
  /** Invocations that are under way. */
  running = 0;
  #gone = deferred<void>();

  constructor() {
    const invoker: Invoker = { invoke: (target, request) => this.#invoke(target, request) };
    const observer = {
      tail: () => ({ add() {}, lines: [], length: 0, cut: false, missing: 0 }),
      log() {},
      finished() {},
    };
    const snapshot = createSnapshot(deploymentOf("back"));
    this.caller = createFunctionCaller({ invoker, observer, snapshot: () => snapshot });
  }

  /** Calls the function with what a test does not care about filled in. */
  call(more: Partial<InternalCall>): Promise<InvocationResponse> {
    return this.caller.call({
      ...{ project: "default", functionName: "back", source: "function:front", method: "GET", url: "http://back/" },
      ...{ headers: [], body: null, depth: 1, signal: new AbortController().signal, ...more },
    });
  }

  /** Settles once no invocation is under way. */
  async gone(): Promise<void> {
    while (this.running > 0) await this.#gone.promise;
  }

  async #invoke(target: Target, request: InvocationRequest): Promise<InvocationResponse> {
    this.asked.push({ request, target });
    const { pathname } = new URL(request.url);
    const { signal } = request;
    if (signal.aborted) throw new IsopodError("client_gone");
    if (pathname === "/") return wholeAnswer(200, [], new TextEncoder().encode("here"), 4);
    this.running += 1;
    const end = deferred<IsopodError>();
    signal.addEventListener("abort", () => end.resolve(new IsopodError("client_gone")));
    const ended = end.promise.then((error) => {
      this.running -= 1;
      this.#gone.resolve();
      this.#gone = deferred();
      return { ...wholeAnswer(200, [], null, 0).over, error } as const;
    });
    if (pathname === "/silent") throw (await ended).error;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new Uint8Array(1));
        // Bodies of invocations do not say why they error.
        ended.then(() => controller.error()).catch(() => {});
      },
      cancel: () => end.resolve(new IsopodError("client_gone")),
    });
    const { over: _, ...answer } = wholeAnswer(200, [], body, 0);
    return { ...answer, ended: ended as InvocationResponse["ended"] };
  }
}

function deploymentOf(name: string): Deployment {
  const version: FunctionVersion = {
    ...{ project: "default", name, version: name, key: name, engine: "script", instancesMax: 1 },
    limits: completeLimits({ wallMs: 10_000 }),
    contents: () => Promise.reject(new Error("nothing is loaded here")),
  };
  const fn: RoutedFunction = {
    ...{ project: "default", name, find: () => version },
    aliases: new Map([[PRODUCTION, { targets: [{ version, weight: 1 }], sticky: undefined }]]),
  };
  const plan: Plan = {
    ...{ name: ANONYMOUS, run: "none", limits: {}, ratePerSecond: undefined, egress: [], origins: [] },
    bindings: new Map(),
  };
  return {
    ...{ functions: new Map([[`default/${name}`, fn]]), routes: [], plans: new Map([[ANONYMOUS, plan]]), keys: [] },
    ...{ codelessPath: "/run", rpcPath: "/rpc", previewDomains: [] },
  };
}
