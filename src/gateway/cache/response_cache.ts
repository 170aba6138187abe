/**
 * The response cache: answers of functions and programs that say by `Cache-Control` that they may be kept, given again
 * without an instance.
 *
 * Identical requests in flight run once, where an answer for all of them is likely: those that come while the first is
 * being answered get the same answer as it arrives. Who has waited for one that fails, or is for its first alone, runs
 * by itself at once.
 */
import type { CacheAdmin, CachePurge } from "../../core/cache_admin.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import { directivesOf } from "./directives.ts";
import { Entries } from "./entries.ts";
import { type Flight, Flights, unlessGone } from "./flights.ts";
import { Addresses } from "./habits.ts";
import { type Asked, Keeper } from "./keeper.ts";
import { Overflow, type OverflowOptions } from "./overflow.ts";
import { type CacheHead, satisfies } from "./policy.ts";
import { Purges } from "./purges.ts";
import { type IsThere, Refreshes } from "./refreshes.ts";
import { type CacheRequest, isPlain } from "./request.ts";

/** How the cache is set up. */
export interface ResponseCacheOptions {
  readonly clock: Clock;
  readonly bytesMax: number;
  /** For the files of long answers with slow readers. */
  readonly overflow: OverflowOptions;
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
  readonly #purges = new Purges();
  readonly #addresses = new Addresses();
  readonly #overflow: Overflow;
  readonly #keeper: Keeper;
  readonly #refreshes: Refreshes;

  constructor({ clock, bytesMax, overflow }: ResponseCacheOptions) {
    this.#clock = clock;
    this.#entries = new Entries(bytesMax);
    const entryBytesMax = Math.min(ENTRY_BYTES_MAX, bytesMax * ENTRY_SHARE_MAX);
    const kept = { clock, entries: this.#entries, purges: this.#purges, addresses: this.#addresses };
    this.#overflow = new Overflow(overflow);
    this.#keeper = new Keeper({ ...kept, entryBytesMax, overflow: this.#overflow });
    this.#refreshes = new Refreshes(this.#keeper);
  }

  /** Bytes that are kept, or are being gathered. */
  get bytes(): number {
    return this.#entries.bytes;
  }

  /** Bytes in files that slow readers have not had yet. */
  get overflowBytes(): number {
    return this.#overflow.bytes;
  }

  /** The kept answer to a request, when it is fresh: the short way, which asks nobody. */
  fresh(key: string, head: CacheHead): InvocationResponse | undefined {
    const entry = this.#entries.find(key, head.headers);
    if (entry === undefined) return undefined;
    const now = this.#clock.wallNow();
    const { lifetime } = entry.parts;
    if (now >= lifetime.freshUntil || !satisfies(lifetime, head.headers, now)) return undefined;
    this.#entries.used(entry);
    return entry.answer(head, now, "hit");
  }

  /** Answers a request from what is kept, or runs it and keeps its answer where that may be. @throws {IsopodError} */
  async through(request: CacheRequest): Promise<InvocationResponse> {
    const { method, headers, key, sender, habit } = request;
    if (method !== "GET" && method !== "HEAD") return this.#change(request);
    // Parts, and conditions other than the usual ones, are the function's own business.
    if (headers.has("range") || headers.has("if-match") || headers.has("if-unmodified-since"))
      return request.invoke(NOTHING, sender);
    const hit = this.fresh(key, request) ?? this.#stale(request);
    if (hit !== undefined) return hit;
    if (directivesOf(headers.get("cache-control")).has("only-if-cached")) throw new IsopodError("not_cached");
    const name = habit.ever && isPlain(request) ? this.#flightName(request) : undefined;
    if (name === undefined) return answerOf(request, await this.#keeper.ask(request, sender));
    const flight = this.#flights.find(name);
    if (flight === undefined) return this.#lead(this.#flights.begin(name, request), request);
    const shared = await this.#follow(flight, request);
    if (shared !== undefined) return shared;
    request.restarted?.();
    return answerOf(request, await this.#keeper.ask(request, sender));
  }

  /** Forgets what is kept; how many answers that were. */
  purge(purge: CachePurge): number {
    this.#purges.add(purge);
    this.#flights.purged(purge);
    return this.#entries.purge(purge);
  }

  /** Forgets what is kept of functions that are there no more, and ends what is being asked for it. */
  retain(isThere: IsThere): void {
    for (const [project, names] of this.#entries.functions()) {
      for (const functionName of names) if (!isThere(project, functionName)) this.purge({ project, functionName });
    }
    this.#refreshes.retain(isThere);
  }

  /** Ends what is asked for nobody. */
  close(): void {
    this.#refreshes.close();
  }

  /** The name under which a request is shared; undefined when it is not. */
  #flightName({ key, headers, habit }: CacheRequest): string | undefined {
    const names = this.#addresses.sharedBy(key, habit, this.#clock.wallNow());
    if (names === undefined) return undefined;
    return names.length === 0 ? key : JSON.stringify([key, names.map((name) => headers.get(name))]);
  }

  /** Runs a request for itself and whoever asks for the same meanwhile. */
  async #lead(flight: Flight, request: CacheRequest): Promise<InvocationResponse> {
    const { sender } = request;
    flight.join();
    try {
      const asking = this.#keeper.ask(request, flight, () => flight.detach());
      asking.then(
        ({ landed }) => (landed === undefined ? flight.close() : flight.land(landed)),
        () => flight.close(),
      );
      const asked = await unlessGone(asking, sender.signal);
      const response = answerOf(request, asked);
      flight.claim();
      // What is for this one alone ends with it.
      if (asked.landed === undefined) sender.signal.addEventListener("abort", () => flight.abort());
      return response;
    } finally {
      flight.leave();
    }
  }

  /** The answer of another's run, when it is for this request, too. */
  async #follow(flight: Flight, request: CacheRequest): Promise<InvocationResponse | undefined> {
    flight.join();
    try {
      const landed = await unlessGone(flight.landed, request.sender.signal);
      const response = landed?.give(request, false);
      if (response !== undefined) flight.claim();
      return response;
    } finally {
      flight.leave();
    }
  }

  /** What changes a resource makes what is kept of it wrong (RFC 9111, 4.4). */
  async #change(request: CacheRequest): Promise<InvocationResponse> {
    const response = await request.invoke(NOTHING, request.sender);
    const { project, functionName, url, method, habit } = request;
    const isKept = habit.ever || this.bytes > 0;
    if (UNSAFE.has(method) && response.status < 400 && isKept) this.purge({ project, functionName, urls: [url] });
    return response;
  }

  /** A kept answer that is stale and may be given all the same; it is asked for anew meanwhile. */
  #stale(request: CacheRequest): InvocationResponse | undefined {
    const { refresh, headers } = request;
    if (refresh === undefined || headers.has("cache-control") || headers.has("pragma")) return undefined;
    const entry = this.#entries.find(request.key, headers);
    const now = this.#clock.wallNow();
    if (entry === undefined || now >= entry.parts.lifetime.whileRevalidatingUntil) return undefined;
    this.#refreshes.begin(entry, request);
    return entry.answer(request, now, "stale");
  }
}

function answerOf(request: CacheRequest, { response, landed }: Asked): InvocationResponse {
  const answer = response ?? landed.give(request, true);
  if (answer === undefined) throw new Error("Cannot answer: the answer was there and is for who asked");
  return answer;
}
