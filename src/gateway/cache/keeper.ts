/** Runs what is not in the cache, and keeps its answer where it may be kept. */
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import { captured } from "./capture.ts";
import type { Entries } from "./entries.ts";
import { Entry } from "./entry.ts";
import type { FlightEnd, Flights } from "./flights.ts";
import { keptHeaders, missed, refreshed, tagsOf, untagged } from "./kept_headers.ts";
import { lifetimeOf } from "./policy.ts";
import { type CacheRequest, isConditional, mayShare } from "./request.ts";

/** What keeping takes. */
export interface KeeperOptions {
  readonly clock: Clock;
  readonly entries: Entries;
  readonly flights: Flights;
  /** Of one answer. */
  readonly entryBytesMax: number;
}

/** A run whose answer may be kept. */
interface Run {
  readonly request: CacheRequest;
  /** What was kept before, stale. */
  readonly known: Entry | undefined;
  /** Purges of the project before it began: what was asked for before one is not kept after it. */
  readonly purges: number;
  readonly flight: FlightEnd | undefined;
}

const NOTHING: HeaderList = [];

/** The keeper. */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #purges = new Map<string, number>();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** What of a project is on its way is not kept. */
  purged(project: string): void {
    this.#purges.set(project, this.#purgesOf(project) + 1);
  }

  /** Runs a request for itself and whoever waits for the same. @throws {IsopodError} */
  async run(request: CacheRequest): Promise<InvocationResponse> {
    const { entries, flights } = this.#options;
    const known = entries.find(request.key, request.headers);
    const validators = known === undefined || isConditional(request) ? NOTHING : known.validators;
    const flight = mayShare(request) ? flights.begin(request.key) : undefined;
    const run: Run = { request, known, purges: this.#purgesOf(request.project), flight };
    let response: InvocationResponse;
    try {
      response = await request.invoke(validators);
    } catch (error) {
      flight?.end("failed");
      const isGone = error instanceof IsopodError && error.code === "client_gone";
      const instead = isGone ? undefined : this.#insteadOfError(run);
      if (instead !== undefined) return instead;
      throw error;
    }
    // The usual answer of what keeps nothing, told by identity.
    if (response.headers === request.habit.notKept || response.socket !== undefined || response.script) {
      flight?.end("not kept");
      return response;
    }
    const instead = response.status >= 500 ? this.#insteadOfError(run) : undefined;
    if (instead !== undefined) {
      flight?.end("failed");
      if (response.body instanceof ReadableStream) response.body.cancel().catch(() => {});
      return instead;
    }
    return response.status === 304 && validators.length > 0
      ? this.#stillCurrent(run, response)
      : this.#answered(run, response);
  }

  /** The function says that what was kept is what it would answer. */
  #stillCurrent(run: Run, response: InvocationResponse): InvocationResponse {
    const { request, known } = run;
    const { parts } = known as Entry;
    const entry =
      this.#keep(run, parts.status, refreshed(parts.headers, response.headers), parts.body) ?? (known as Entry);
    run.flight?.end("kept");
    return entry.answer(request, this.#options.clock.wallNow(), "hit; fwd=stale");
  }

  #answered(run: Run, response: InvocationResponse): InvocationResponse {
    const { request, flight } = run;
    const { status, headers, body } = response;
    const { clock, entryBytesMax } = this.#options;
    const mayBeKept = request.method === "GET" && !isConditional(request);
    if (!mayBeKept || lifetimeOf(request, status, headers, clock.wallNow()) === undefined) {
      request.habit.notKept = headers;
      flight?.end("not kept");
      return untagged(response);
    }
    request.habit.kept = true;
    if (!(body instanceof ReadableStream)) {
      const whole = body ?? new Uint8Array();
      if (whole.length <= entryBytesMax) this.#keep(run, status, headers, whole);
      flight?.end("kept");
      return missed(response, body);
    }
    const whole = (all: Uint8Array) => {
      this.#keep(run, status, headers, all);
      flight?.end("kept");
    };
    return missed(response, captured(body, entryBytesMax, { whole, given: () => flight?.end("failed") }));
  }

  #insteadOfError({ request, known }: Run): InvocationResponse | undefined {
    const now = this.#options.clock.wallNow();
    if (known === undefined || now >= known.parts.lifetime.ifErrorUntil) return undefined;
    return known.answer(request, now, "hit; fwd=stale");
  }

  #keep({ request, purges }: Run, status: number, headers: HeaderList, body: Uint8Array): Entry | undefined {
    const { key, project, functionName, url } = request;
    const { clock, entries } = this.#options;
    const storedAt = clock.wallNow();
    const lifetime = lifetimeOf(request, status, headers, storedAt);
    if (lifetime === undefined || this.#purgesOf(project) !== purges) return undefined;
    const about = { key, project, functionName, url, status, lifetime, storedAt };
    const entry = new Entry({ ...about, headers: keptHeaders(headers), tags: tagsOf(headers), body });
    entries.put(entry, request.headers);
    return entry;
  }

  #purgesOf(project: string): number {
    return this.#purges.get(project) ?? 0;
  }
}
