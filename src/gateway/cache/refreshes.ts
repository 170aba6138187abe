/** Stale answers that are asked for anew while nobody waits: few at a time, and ended with what they are of. */
import type { Entry } from "./entry.ts";
import type { Keeper } from "./keeper.ts";
import { type CacheRequest, unconditional } from "./request.ts";

/** Of the server, and of one project; where there are more, what is stale is given, and asked for by a later request. */
const REFRESHES_MAX = 128;
const PROJECT_REFRESHES_MAX = 16;

/** Whether a project has a function. */
export type IsThere = (project: string, functionName: string) => boolean;

/** The refreshes. */
export class Refreshes {
  readonly #keeper: Keeper;
  readonly #running = new Map<AbortController, CacheRequest>();
  readonly #byProject = new Map<string, number>();
  #closed = false;

  constructor(keeper: Keeper) {
    this.#keeper = keeper;
  }

  /** Asks anew for what is kept, as `request` did, unless that is under way already. */
  begin(entry: Entry, request: CacheRequest): void {
    const { project, refresh, headers } = request;
    const count = this.#byProject.get(project) ?? 0;
    if (entry.revalidating || refresh === undefined || this.#closed) return;
    if (this.#running.size >= REFRESHES_MAX || count >= PROJECT_REFRESHES_MAX) return;
    const ending = new AbortController();
    entry.revalidating = true;
    this.#running.set(ending, request);
    this.#byProject.set(project, count + 1);
    const asked = { ...request, method: "GET", headers: unconditional(headers) };
    this.#run(asked, ending.signal, refresh)
      // What it failed with is in its record.
      .catch(() => {})
      .finally(() => {
        entry.revalidating = false;
        this.#running.delete(ending);
        const left = (this.#byProject.get(project) ?? 1) - 1;
        if (left === 0) this.#byProject.delete(project);
        else this.#byProject.set(project, left);
      });
  }

  /** Ends those of functions that are there no more. */
  retain(isThere: IsThere): void {
    for (const [ending, { project, functionName }] of this.#running) {
      if (functionName !== undefined && !isThere(project, functionName)) ending.abort();
    }
  }

  /** Ends all. */
  close(): void {
    this.#closed = true;
    for (const ending of this.#running.keys()) ending.abort();
  }

  async #run(request: CacheRequest, signal: AbortSignal, refresh: NonNullable<CacheRequest["refresh"]>): Promise<void> {
    const { response, landed } = await this.#keeper.ask(request, { signal }, () => {}, refresh);
    const answer = response ?? landed.give(request, true);
    if (!(answer?.body instanceof ReadableStream)) return;
    const reader = answer.body.getReader();
    const cancel = () => void reader.cancel().catch(() => {});
    signal.addEventListener("abort", cancel);
    for (;;) if ((await reader.read()).done) return;
  }
}
