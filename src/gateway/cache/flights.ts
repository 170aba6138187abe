/** Requests that are being answered, so that identical ones can wait for their answers. */
import type { CachePurge } from "../../core/cache_admin.ts";
import { IsopodError } from "../../core/errors.ts";
import type { InvocationResponse } from "../../core/invocation.ts";
import type { CacheHead } from "./policy.ts";
import type { CacheRequest } from "./request.ts";

/** An answer that is for more than one request. */
export interface Landed {
  /** The answer to `request`; undefined when it is not for that one, or cannot be had from its beginning any more. */
  give(request: CacheHead, isFirst: boolean): InvocationResponse | undefined;
}

/**
 * A request that is being answered for everybody who asks for the same meanwhile. It goes on while one of them is there.
 */
export class Flight {
  /** What is asked for. */
  readonly request: CacheRequest;
  readonly #gone = new AbortController();
  readonly #landed = Promise.withResolvers<Landed | undefined>();
  readonly #over: (flight: Flight) => void;
  #parties = 0;
  #claimed = false;

  constructor(request: CacheRequest, over: (flight: Flight) => void) {
    this.request = request;
    this.#over = over;
  }

  /** Fires when nobody is there any more. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** What came of it; undefined when that is for nobody but who asked first. */
  get landed(): Promise<Landed | undefined> {
    return this.#landed.promise;
  }

  join(): void {
    this.#parties += 1;
  }

  leave(): void {
    this.#parties -= 1;
    if (this.#parties === 0 && !this.#claimed) this.abort();
  }

  /** Somebody has the answer, and by that decides when it ends. */
  claim(): void {
    this.#claimed = true;
  }

  /** Nobody can have it from here on. */
  abort(): void {
    this.#gone.abort();
    this.close();
  }

  /** The answer has begun. */
  land(landed: Landed): void {
    this.#landed.resolve(landed);
  }

  /** Who comes from here on asks anew; whoever waits for an answer that has not begun does, too. */
  close(): void {
    this.#over(this);
    this.#landed.resolve(undefined);
  }

  /** Who comes from here on asks anew; whoever waits goes on waiting. */
  detach(): void {
    this.#over(this);
  }
}

/** The flights. */
export class Flights {
  readonly #byName = new Map<string, Flight>();

  find(name: string): Flight | undefined {
    return this.#byName.get(name);
  }

  /** Begins one, in a place that is free. */
  begin(name: string, request: CacheRequest): Flight {
    const flight = new Flight(request, () => {
      if (this.#byName.get(name) === flight) this.#byName.delete(name);
    });
    this.#byName.set(name, flight);
    return flight;
  }

  /** What was asked for before a purge is for nobody who asks after it. Tags are not known yet: they mean all. */
  purged({ project, functionName, urls, tags }: CachePurge): void {
    for (const flight of [...this.#byName.values()]) {
      const { request } = flight;
      if (request.project !== project) continue;
      if (functionName !== undefined && request.functionName !== functionName) continue;
      if (urls === undefined || tags !== undefined || urls.includes(request.url)) flight.detach();
    }
  }
}

/** What `promise` gives, unless `signal` fires before. @throws {IsopodError} `client_gone` */
export function unlessGone<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new IsopodError("client_gone"));
    const settled = () => signal.removeEventListener("abort", gone);
    if (signal.aborted) return gone();
    signal.addEventListener("abort", gone);
    promise.then(resolve, reject).finally(settled);
  });
}
