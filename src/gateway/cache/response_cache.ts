/**
 * The response cache: answers of functions and programs that say by `Cache-Control` that they may be kept, given again
 * without an instance.
 *
 * Identical requests in flight run once: those that come while the first is being answered wait for it, unless answers
 * there were seen not to be for keeping. Who waits for one that then fails, or is not kept, runs by itself at once.
 */
import type { CacheAdmin, CachePurge } from "../../core/cache_admin.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import { Entries } from "./entries.ts";
import { Flights } from "./flights.ts";
import { Keeper } from "./keeper.ts";
import { type CacheHead, satisfies } from "./policy.ts";
import { type CacheRequest, mayShare } from "./request.ts";

/** How the cache is set up. */
export interface ResponseCacheOptions {
  readonly clock: Clock;
  readonly bytesMax: number;
}

/** The largest share of the cache that one answer may have, and the largest answer. */
const ENTRY_SHARE_MAX = 0.125;
const ENTRY_BYTES_MAX = 8 * 1024 * 1024;
const UNSAFE = new Set(["POST", "PUT", "PATCH", "DELETE"]);
const NOTHING: HeaderList = [];

/** The cache. */
export class ResponseCache implements CacheAdmin {
  readonly #clock: Clock;
  readonly #entries: Entries;
  readonly #flights = new Flights();
  readonly #keeper: Keeper;

  constructor({ clock, bytesMax }: ResponseCacheOptions) {
    this.#clock = clock;
    this.#entries = new Entries(bytesMax);
    const entryBytesMax = Math.min(ENTRY_BYTES_MAX, bytesMax * ENTRY_SHARE_MAX);
    this.#keeper = new Keeper({ clock, entries: this.#entries, flights: this.#flights, entryBytesMax });
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#entries.bytes;
  }

  /** The kept answer to a request, when it is fresh: the short way, which asks nobody. */
  fresh(key: string, head: CacheHead): InvocationResponse | undefined {
    const entry = this.#entries.find(key, head.headers);
    if (entry === undefined) return undefined;
    const now = this.#clock.wallNow();
    if (now >= entry.parts.lifetime.freshUntil || !satisfies(entry.parts.lifetime, head)) return undefined;
    this.#entries.used(entry);
    return entry.answer(head, now, "hit");
  }

  /** Answers a request from what is kept, or runs it and keeps its answer where that may be. @throws {IsopodError} */
  async through(request: CacheRequest): Promise<InvocationResponse> {
    const { method, headers, key } = request;
    if (method !== "GET" && method !== "HEAD") return this.#change(request);
    // Parts, and conditions other than the usual ones, are the function's own business.
    if (headers.has("range") || headers.has("if-match") || headers.has("if-unmodified-since"))
      return request.invoke(NOTHING);
    const hit = this.fresh(key, request) ?? this.#stale(request);
    if (hit !== undefined) return hit;
    if (/(^|[\s,])only-if-cached/i.test(headers.get("cache-control") ?? "")) throw new IsopodError("not_cached");
    const flight = mayShare(request) ? this.#flights.find(key) : undefined;
    if (flight !== undefined && (await flight.outcome(request.sender.signal)) === "kept") {
      const kept = this.fresh(key, request);
      if (kept !== undefined) return kept;
    }
    return this.#keeper.run(request);
  }

  /** Forgets what is kept; how many answers that were. */
  purge(purge: CachePurge): number {
    this.#keeper.purged(purge.project);
    return this.#entries.purge(purge);
  }

  /** What changes a resource makes what is kept of it wrong (RFC 9111, 4.4). */
  async #change(request: CacheRequest): Promise<InvocationResponse> {
    const response = await request.invoke(NOTHING);
    const { project, functionName, url, method } = request;
    if (UNSAFE.has(method) && response.status < 400 && this.bytes > 0)
      this.purge({ project, functionName, urls: [url] });
    return response;
  }

  /** A kept answer that is stale and may be given all the same; it is asked for anew meanwhile. */
  #stale(request: CacheRequest): InvocationResponse | undefined {
    const { refresh, headers } = request;
    if (refresh === undefined || headers.has("cache-control")) return undefined;
    const entry = this.#entries.find(request.key, headers);
    const now = this.#clock.wallNow();
    if (entry === undefined || now >= entry.parts.lifetime.whileRevalidatingUntil) return undefined;
    if (!entry.revalidating) {
      entry.revalidating = true;
      const asked = { ...request, method: "GET", headers: unconditional(headers), invoke: refresh };
      this.#keeper
        .run(asked)
        .then(({ body }) => (body instanceof ReadableStream ? new Response(body).arrayBuffer() : undefined))
        // What it failed with is in its record.
        .catch(() => {})
        .finally(() => {
          entry.revalidating = false;
        });
    }
    return entry.answer(request, now, "hit; fwd=stale");
  }
}

/** The headers of a request that asks for the whole. */
function unconditional(headers: Headers): Headers {
  const kept = new Headers(headers);
  kept.delete("if-none-match");
  kept.delete("if-modified-since");
  return kept;
}
