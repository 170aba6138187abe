/** Asks what runs, and keeps its answer where it may be kept. */
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import type { Sender } from "../admission.ts";
import { Broadcast } from "./broadcast.ts";
import type { Entries } from "./entries.ts";
import { Entry, type EntryParts, keptBody } from "./entry.ts";
import type { Landed } from "./flights.ts";
import type { Addresses } from "./habits.ts";
import { keptHeaders, refreshed, tagsOf, untagged } from "./kept_headers.ts";
import { LandedBody, LandedEntry, LandedStream } from "./landed.ts";
import type { Overflow } from "./overflow.ts";
import { type Lifetime, lifetimeOf, saysNothing } from "./policy.ts";
import type { Purges } from "./purges.ts";
import { type CacheRequest, isConditional, isPlain } from "./request.ts";

/** What keeping takes. */
export interface KeeperOptions {
  readonly clock: Clock;
  readonly entries: Entries;
  readonly purges: Purges;
  readonly addresses: Addresses;
  /** Of one answer. */
  readonly entryBytesMax: number;
  /** Where slow readers find what is not gathered. */
  readonly overflow: Overflow;
}

/** What came of asking: an answer for who asked alone, or one for more. */
export type Asked =
  | { readonly response: InvocationResponse; readonly landed: undefined }
  | { readonly response: undefined; readonly landed: Landed };

interface Run {
  readonly request: CacheRequest;
  /** What was kept before, stale. */
  readonly known: Entry | undefined;
  /** When it began, as purges count. */
  readonly since: number;
}

type KeptParts = Pick<EntryParts, "status" | "headers" | "body" | "tags">;

const NOTHING: HeaderList = [];
/** What failing servers answer, in whose place something stale may be given (RFC 5861, 4). */
const FAILURES = new Set([500, 502, 503, 504]);

/** The keeper. */
export class Keeper {
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /**
   * Asks, until `sender` hangs up; `closed` is told when what is gathered of the answer is kept, or will not be.
   * @throws {IsopodError}
   */
  async ask(request: CacheRequest, sender: Sender, closed = () => {}, invoke = request.invoke): Promise<Asked> {
    const { entries, purges } = this.#options;
    const known = entries.bytes === 0 ? undefined : entries.find(request.key, request.headers);
    const validators = known === undefined || isConditional(request) ? NOTHING : known.validators;
    const run: Run = { request, known, since: purges.now };
    let response: InvocationResponse;
    try {
      response = await invoke.call(request, validators, sender);
    } catch (error) {
      const isGone = error instanceof IsopodError && error.code === "client_gone";
      const instead = isGone ? undefined : this.#insteadOfFailure(run);
      closed();
      if (instead !== undefined) return instead;
      throw error;
    }
    const { habit } = request;
    // The usual answer of what keeps nothing, told by identity.
    if (!habit.ever && response.headers === habit.silent && known === undefined) return alone(response);
    const instead = FAILURES.has(response.status) ? this.#insteadOfFailure(run) : undefined;
    if (instead === undefined) return this.#judged(run, response, validators, closed);
    if (response.body instanceof ReadableStream) response.body.cancel().catch(() => {});
    closed();
    return instead;
  }

  #judged(run: Run, response: InvocationResponse, validators: HeaderList, closed: () => void): Asked {
    const { request, known } = run;
    const { status, headers, body } = response;
    if (response.socket !== undefined || response.script) return this.#passed(run, response, closed);
    if (known !== undefined && status === 304 && validators.length > 0)
      return this.#stillCurrent(run, known, response, closed);
    const mayBeKept = request.method === "GET" && !isConditional(request);
    const lifetime = mayBeKept ? lifetimeOf(request, status, headers, this.#options.clock.wallNow()) : undefined;
    if (lifetime === undefined) return this.#passed(run, response, closed);
    this.#noted(request, true, lifetime);
    const about = { request, response, lifetime, isStale: known !== undefined };
    if (body instanceof ReadableStream) {
      const { entries, entryBytesMax, overflow } = this.#options;
      const end = {
        whole: (all: Uint8Array) => {
          this.#keep(run, lifetime, { status, headers, body: keptBody(all), tags: tagsOf(headers) });
          closed();
        },
        given: closed,
      };
      const room = {
        reserve: (lost: () => void) => entries.reserve(request.project, lost),
        overflow: () => overflow.file(request.project),
      };
      return together(new LandedStream(about, new Broadcast(body, entryBytesMax, room, end)));
    }
    // A copy: what has come in one read with others would keep their bytes, too.
    const whole = body === null ? new Uint8Array() : body.slice();
    const kept = { status, headers, body: keptBody(whole), tags: tagsOf(headers) };
    const isKept = whole.length <= this.#options.entryBytesMax && this.#keep(run, lifetime, kept) !== undefined;
    closed();
    return together(new LandedBody(about, body, isKept));
  }

  /** An answer for who asked alone; what was kept before is not what the function says now. */
  #passed({ request, known }: Run, response: InvocationResponse, closed: () => void): Asked {
    const { status, headers } = response;
    if (saysNothing(headers)) request.habit.silent = headers;
    if (isPlain(request)) {
      if (request.habit.ever) this.#noted(request, false);
      if (known !== undefined && status < 500) this.#options.entries.remove(known);
    }
    closed();
    return alone(untagged(response));
  }

  /** The function says that what was kept is what it would answer. */
  #stillCurrent(run: Run, known: Entry, response: InvocationResponse, closed: () => void): Asked {
    const { parts } = known;
    const { status, body } = parts;
    const headers = refreshed(parts.headers, response.headers);
    const said = tagsOf(response.headers);
    const tags = said.length > 0 ? said : parts.tags;
    const now = this.#options.clock.wallNow();
    const lifetime = lifetimeOf(run.request, status, headers, now);
    const entry = lifetime && this.#keep(run, lifetime, { status, headers, body, tags });
    closed();
    const told = `fwd=stale; fwd-status=304${entry === undefined ? "" : "; stored"}`;
    return together(new LandedEntry(entry ?? known, now, "revalidated", told));
  }

  #insteadOfFailure({ known }: Run): Asked | undefined {
    const now = this.#options.clock.wallNow();
    if (known === undefined || now >= known.parts.lifetime.ifErrorUntil) return undefined;
    return together(new LandedEntry(known, now, "stale", ""));
  }

  #keep({ request, since }: Run, lifetime: Lifetime, kept: KeptParts): Entry | undefined {
    const { key, project, functionName, url } = request;
    const { entries, purges } = this.#options;
    if (purges.has(project, since, { functionName, url, tags: kept.tags })) return undefined;
    const about = { key, project, functionName, url, lifetime };
    const entry = new Entry({ ...about, ...kept, headers: keptHeaders(kept.headers) });
    entries.put(entry, request.headers);
    return entry;
  }

  #noted(request: CacheRequest, kept: boolean, lifetime?: Lifetime): void {
    const { clock, addresses } = this.#options;
    const { habit, key } = request;
    habit.last = kept;
    habit.ever ||= kept;
    addresses.note(key, kept, lifetime?.vary.map(([name]) => name) ?? [], clock.wallNow());
  }
}

function alone(response: InvocationResponse): Asked {
  return { response, landed: undefined };
}

function together(landed: Landed): Asked {
  return { response: undefined, landed };
}
