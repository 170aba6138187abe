/**
 * One call of a guest from its first request to the end of the answer's body: redirects, accounting, and an end that
 * leaves nothing open. How a target is reached is `reach.ts`, one request and its response `exchange.ts`.
 */
import type { BindingAnswer, BindingCall, CallScope } from "../../core/binding.ts";
import { IsopodError } from "../../core/errors.ts";
import { isLoopback } from "./address.ts";
import type { Connection } from "./connections.ts";
import { codingsOf, decodeBody, withoutCoding } from "./decode.ts";
import { Exchange, type ExchangeHead } from "./exchange.ts";
import { explain, explainDecoding, wasLost } from "./failure.ts";
import { Meter } from "./meter.ts";
import type { Policy } from "./policy.ts";
import { openConnection, type ReachParts, resolveTarget } from "./reach.ts";
import { ReplayBody } from "./replay_body.ts";
import { describe, failed, firstHop, type Hop, locationOf, REDIRECTS_MAX, redirectOf } from "./request.ts";

const BODILESS_STATUSES = new Set([204, 205, 304]);

/** A response whose head is there. */
interface Answered {
  readonly exchange: Exchange;
  readonly head: ExchangeHead;
  readonly meter: Meter;
}

/** One call; `run` is called once. */
export class Call {
  readonly #parts: ReachParts;
  readonly #policy: Policy;
  readonly #scope: CallScope;
  readonly #owner: string;
  readonly #over: () => void;
  readonly #ender = new AbortController();
  readonly #aborted = (): void =>
    this.end(
      new IsopodError("egress_failed", {
        message: "Cannot fetch: the call was ended",
        cause: this.#scope.signal.reason,
      }),
    );
  #body: ReplayBody | undefined;
  #subject = "";
  #isOver = false;

  /** @param over called once, when nothing of the call is left */
  constructor(parts: ReachParts, policy: Policy, scope: CallScope, owner: string, over: () => void) {
    this.#parts = parts;
    this.#policy = policy;
    this.#scope = scope;
    this.#owner = owner;
    this.#over = over;
  }

  /** Makes the call. @throws {IsopodError} of the `user` kind */
  async run(request: BindingCall): Promise<BindingAnswer> {
    const { signal } = this.#scope;
    signal.addEventListener("abort", this.#aborted, { once: true });
    if (request.body) this.#body = new ReplayBody(request.body, this.#parts.limits.replayBytesMax);
    try {
      if (signal.aborted) this.#aborted();
      this.#ender.signal.throwIfAborted();
      return await this.#follow(request);
    } catch (error) {
      const explained = explain(this.#subject, error);
      this.end(explained);
      throw explained;
    }
  }

  /** Ends the call unless it is over; whoever waits for it gets `error`. */
  end(error: IsopodError): void {
    if (this.#isOver) return;
    this.#ender.abort(error);
    this.#finish(error);
  }

  async #follow(request: BindingCall): Promise<BindingAnswer> {
    let hop = firstHop(request, this.#parts.limits.headBytesMax);
    for (let redirects = 0; ; redirects++) {
      this.#subject = `${hop.target.method} ${describe(hop.url)}`;
      const answered = await this.#send(hop);
      const location =
        request.redirect === "manual" ? undefined : locationOf(answered.head.status, answered.head.headers);
      if (location === undefined) return this.#answer(hop, answered, redirects > 0);
      if (request.redirect === "error")
        throw failed(`Cannot fetch ${this.#subject}: it redirects, and the call says not to`);
      if (redirects === REDIRECTS_MAX)
        throw failed(`Cannot fetch ${this.#subject}: more than ${REDIRECTS_MAX} redirects`);
      answered.exchange.end(failed("Cannot read the body: it was that of a redirect"));
      const next = redirectOf(hop, answered.head.status, location, (value) => this.#policy.mentionsSecret(value));
      if (next.withBody && this.#body?.replayable === false) {
        const { replayBytesMax } = this.#parts.limits;
        throw failed(
          `Cannot follow the redirect of ${this.#subject}: more than ${replayBytesMax} bytes of the body were sent`,
        );
      }
      hop = next;
    }
  }

  async #send(hop: Hop): Promise<Answered> {
    this.#scope.countSubrequest();
    this.#policy.checkTarget(hop.target);
    const { signal } = this.#ender;
    const addresses = await resolveTarget(hop.target, this.#policy, this.#parts, signal);
    const idle = this.#parts.connections.take(this.#owner, hop.url.origin, addresses);
    if (idle !== undefined) {
      try {
        return await this.#exchange(hop, idle);
      } catch (error) {
        // Its server had closed it, unseen by us: the request can be sent again.
        if (signal.aborted || !wasLost(error, hop.target.method)) throw error;
      }
    }
    return await this.#exchange(hop, await openConnection(hop, addresses, this.#owner, this.#parts, signal));
  }

  async #exchange(hop: Hop, connection: Connection): Promise<Answered> {
    const meter = new Meter(this.#scope);
    const subject = this.#subject;
    const { clock, connections, limits } = this.#parts;
    const request = {
      method: hop.target.method,
      path: hop.url.pathname + hop.url.search,
      headers: this.#policy.inject(hop.headers, hop.target, isLoopback(connection.address)),
      body: hop.withBody && this.#body !== undefined ? this.#body.attempt() : null,
    };
    const exchange = new Exchange(connection, request, {
      clock,
      headTimeoutMs: limits.headTimeoutMs,
      responseIdleMs: limits.responseIdleMs,
      signal: this.#ender.signal,
      received: (bytes) => meter.received(bytes),
      explain: (error) => explain(subject, error),
      over: (complete) => (complete ? connections.release(connection) : connections.drop(connection)),
    });
    return { exchange, head: await exchange.head, meter };
  }

  #answer(hop: Hop, { exchange, head, meter }: Answered, redirected: boolean): BindingAnswer {
    const url = new URL(hop.url);
    url.hash = "";
    const common = { status: head.status, url: url.href, redirected };
    if (hop.target.method === "HEAD" || BODILESS_STATUSES.has(head.status)) {
      // Such a response is over with its head; one that goes on is cut off.
      exchange.end(failed(`Cannot fetch ${this.#subject}: a response without a body has one`));
      this.#finish(undefined);
      return { ...common, headers: head.headers, body: null };
    }
    const codings = codingsOf(head.headers);
    const over = () => this.#finish(undefined);
    if (codings.length === 0) {
      exchange.whenOver(over);
      return { ...common, headers: head.headers, body: exchange.body };
    }
    const subject = this.#subject;
    const body = decodeBody(exchange.body, codings, {
      decoded: (bytes) => meter.decoded(bytes),
      explain: (error) => explainDecoding(subject, error),
      signal: this.#ender.signal,
      over,
    });
    return { ...common, headers: withoutCoding(head.headers), body };
  }

  #finish(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#scope.signal.removeEventListener("abort", this.#aborted);
    this.#body?.cancel(reason);
    this.#body = undefined;
    this.#over();
  }
}
