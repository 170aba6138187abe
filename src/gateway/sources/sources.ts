/**
 * Programs and their imports by URL, fetched by the host from allowed sources only.
 *
 * A URL with a full commit SHA is asked for once and then held; any other is revalidated each time, unless
 * Cache-Control's max-age says that it need not be (five minutes at most). Everybody who wants one URL at the same
 * time shares one fetch, which ends when the last of them has hung up. Bundling is not done here.
 */
import { type Clock, systemClock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Language } from "../../core/function.ts";
import { deferred } from "../../stdx/deferred.ts";
import { type CachedSource, SourceCache } from "./cache.ts";
import { directFetch, fetchSource, type SourceFetch, unavailable } from "./fetch.ts";
import { FetchSlots } from "./fetch_slots.ts";
import { checkIntegrity } from "./integrity.ts";
import { createSourceRules, type SourceRule, type SourceRules } from "./rules.ts";

/** How programs are fetched. */
export interface SourcesOptions {
  readonly rules: readonly SourceRule[];
  /** The most that the cache holds. */
  readonly cacheBytesMax: number;
  /** From the first byte asked to the last received, redirects included. */
  readonly fetchTimeoutMs: number;
  readonly codeBytesMax: number;
  /** Fetches at a time; 32 when left out. Further ones wait. */
  readonly fetchesMax?: number;
  readonly fetch?: SourceFetch;
  readonly clock?: Clock;
}

/** A program or module as it stood at its URL. */
export interface Source {
  /** Where it was in the end; relative imports start from here. */
  readonly url: string;
  /** Shared with others: never written to. */
  readonly bytes: Uint8Array;
  /** `sha256-<hex>` of `bytes`. */
  readonly hash: string;
  /** Whether the URL names a commit, so that its contents stay what they are. */
  readonly immutable: boolean;
  readonly language: Language;
}

/** What is asked of one fetch. */
export interface SourceRequest {
  /** `sha256-<hex>` that the bytes must have. */
  readonly integrity?: string | undefined;
  /** Fires when the caller has hung up. */
  readonly signal: AbortSignal;
}

/** Fetches programs. */
export interface Sources {
  /**
   * @param url absolute; or `//host/path`, which leaves the scheme to the rules.
   * @throws {IsopodError} `source_refused`, `source_unavailable`, `code_too_large`, `integrity_mismatch`,
   * `client_gone`; `overloaded` when too many fetches wait.
   */
  fetch(url: string, request: SourceRequest): Promise<Source>;
  /** Puts `rules` in the place of the present ones, and forgets what was fetched under those. @throws {Error} */
  allow(rules: readonly SourceRule[]): void;
  /** Ends the fetches that are under way; theirs and later ones fail as `draining`. */
  close(): void;
}

interface Flight {
  readonly key: string;
  readonly controller: AbortController;
  readonly done: Promise<CachedSource>;
  waiters: number;
}

const FETCHES_MAX = 32;
const WAITING_MAX = 4096;

/**
 * Creates sources with an empty cache.
 * @throws {Error} when a rule cannot be read.
 */
export function createSources(options: SourcesOptions): Sources {
  return new CachingSources(options, createSourceRules(options.rules));
}

class CachingSources implements Sources {
  readonly #options: SourcesOptions;
  #rules: SourceRules;
  readonly #clock: Clock;
  #cache: SourceCache;
  readonly #flights = new Map<string, Flight>();
  readonly #slots: FetchSlots;
  #closed = false;

  constructor(options: SourcesOptions, rules: SourceRules) {
    this.#options = options;
    this.#rules = rules;
    this.#clock = options.clock ?? systemClock;
    this.#cache = new SourceCache(options.cacheBytesMax);
    this.#slots = new FetchSlots(options.fetchesMax ?? FETCHES_MAX, WAITING_MAX);
  }

  async fetch(address: string, { integrity, signal }: SourceRequest): Promise<Source> {
    if (this.#closed) throw new IsopodError("draining");
    if (signal.aborted) throw new IsopodError("client_gone");
    const url = this.#rules.locate(address);
    const known = this.#cache.get(url.href);
    const usable = known !== undefined && (known.immutable || known.freshUntil > this.#clock.now());
    const { bytes, hash, immutable, language, url: finalUrl } = usable ? known : await this.#join(url, signal);
    checkIntegrity(hash, integrity, `"${url.href.slice(0, 200)}"`);
    return { url: finalUrl, bytes, hash, immutable, language };
  }

  allow(rules: readonly SourceRule[]): void {
    this.#rules = createSourceRules(rules);
    this.#cache = new SourceCache(this.#options.cacheBytesMax);
  }

  close(): void {
    this.#closed = true;
    for (const flight of this.#flights.values()) flight.controller.abort(new IsopodError("draining"));
  }

  /** Waits for the fetch of `url` with everybody else who does. */
  async #join(url: URL, signal: AbortSignal): Promise<CachedSource> {
    const flight = this.#flights.get(url.href) ?? this.#start(url);
    flight.waiters += 1;
    const gone = deferred<never>();
    const onAbort = (): void => gone.reject(new IsopodError("client_gone"));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([flight.done, gone.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      flight.waiters -= 1;
      if (flight.waiters === 0) this.#end(flight);
    }
  }

  #start(url: URL): Flight {
    const controller = new AbortController();
    const done = this.#run(url, controller);
    done.catch(() => {});
    const flight: Flight = { key: url.href, controller, done, waiters: 0 };
    this.#flights.set(flight.key, flight);
    const land = (): void => this.#remove(flight);
    done.then(land, land);
    return flight;
  }

  /** Nobody wants the flight any more; one that has landed does not mind. */
  #end(flight: Flight): void {
    this.#remove(flight);
    flight.controller.abort(new IsopodError("client_gone"));
  }

  #remove(flight: Flight): void {
    if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key);
  }

  async #run(url: URL, controller: AbortController): Promise<CachedSource> {
    const { signal } = controller;
    await this.#slots.take(signal);
    const { codeBytesMax, fetchTimeoutMs } = this.#options;
    const cancelTimer = this.#clock.after(fetchTimeoutMs, () => {
      controller.abort(unavailable(url, `it did not answer within ${fetchTimeoutMs} ms`));
    });
    try {
      const { stored, ...source } = await fetchSource(url, this.#cache.get(url.href), {
        rules: this.#rules,
        fetch: this.#options.fetch ?? directFetch,
        codeBytesMax,
        signal,
        now: this.#clock.now(),
      });
      if (stored) return this.#cache.set(url.href, source);
      this.#cache.delete(url.href);
      return source;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (error instanceof IsopodError) throw error;
      throw unavailable(url, "the connection failed", error);
    } finally {
      cancelTimer();
      this.#slots.give();
    }
  }
}
