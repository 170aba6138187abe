/**
 * Runs middlewares around functions and programs: the way to what runs them leads through here, whichever way they are called.
 *
 * What has none costs one comparison. Middlewares are around requests: methods, schedules and queues have none.
 */
import type { InvocationRequest, InvocationResponse, Invoker, Target } from "../../core/invocation.ts";
import { type MiddlewareParts, Round } from "./round.ts";

/** The invoker in front of the one that runs functions. */
export class MiddlewareInvoker implements Invoker {
  readonly #parts: MiddlewareParts;

  constructor(parts: MiddlewareParts) {
    this.#parts = parts;
  }

  /** @throws {IsopodError} `middleware_failed` and its kin, and what the invokers behind it throw */
  invoke(target: Target, request: InvocationRequest): Promise<InvocationResponse> {
    const chain = target.kind === "function" ? target.version.middlewares : target.middlewares;
    if (chain === undefined || request.entry !== undefined || request.exportName !== undefined) {
      return this.#parts.functions.invoke(target, request);
    }
    return new Round(this.#parts, chain, target, request).run();
  }
}
