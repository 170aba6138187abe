/**
 * Bounds the invocations of single functions, over all their versions and instances and whichever way they are called:
 * the way to the pool leads through here.
 *
 * Where no function has such a bound this costs one comparison.
 */
import { functionKey } from "../core/deployment.ts";
import { IsopodError } from "../core/errors.ts";
import {
  type InvocationRequest,
  type InvocationResponse,
  type Invoker,
  type Target,
  whenOver,
} from "../core/invocation.ts";

/** The bounds by `functionKey`, as they are now; undefined when there are none. */
export type ReservedBounds = () => ReadonlyMap<string, number> | undefined;

/** The invoker in front of the pool's. */
export class ReservedConcurrency implements Invoker {
  readonly #invoker: Invoker;
  readonly #bounds: ReservedBounds;
  /** What runs, of functions that have a bound. */
  readonly #running = new Map<string, number>();

  constructor(invoker: Invoker, bounds: ReservedBounds) {
    this.#invoker = invoker;
    this.#bounds = bounds;
  }

  /** @throws {IsopodError} `concurrency_limited`, and what the invoker behind it throws */
  invoke(target: Target, request: InvocationRequest): Promise<InvocationResponse> {
    const bounds = this.#bounds();
    if (bounds === undefined || target.kind !== "function") return this.#invoker.invoke(target, request);
    const { project, name } = target.version;
    const key = functionKey(project, name);
    const most = bounds.get(key);
    if (most === undefined) return this.#invoker.invoke(target, request);
    return this.#bounded(key, name, most, () => this.#invoker.invoke(target, request));
  }

  async #bounded(
    key: string,
    name: string,
    most: number,
    invoke: () => Promise<InvocationResponse>,
  ): Promise<InvocationResponse> {
    const running = this.#running.get(key) ?? 0;
    if (running >= most) {
      throw new IsopodError("concurrency_limited", {
        message: `Cannot call "${name}": ${running} invocations of it are running, and ${most} are reserved for it.`,
        limit: { name: "reservedConcurrency", value: most },
        retryAfterSeconds: 1,
      });
    }
    this.#running.set(key, running + 1);
    try {
      const response = await invoke();
      whenOver(response, () => this.#left(key));
      return response;
    } catch (error) {
      this.#left(key);
      throw error;
    }
  }

  #left(key: string): void {
    const running = (this.#running.get(key) ?? 1) - 1;
    if (running > 0) this.#running.set(key, running);
    else this.#running.delete(key);
  }
}
