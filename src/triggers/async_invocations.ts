/**
 * Invocations that nobody waits for: kept in the store until the function has answered, tried again where it failed, and
 * given up after that. What was taken survives the server.
 *
 * Each function that has any has a queue of its own, and is asked only while there are some: a function that is slow or
 * fails holds up no other.
 */
import type { DataQuotas } from "../core/binding.ts";
import type { Clock } from "../core/clock.ts";
import { type Deployment, functionKey, type RoutedFunction } from "../core/deployment.ts";
import { toIsopodError } from "../core/errors.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import { LIMIT_RULES } from "../core/limits.ts";
import { type AsyncFigures, type AsyncInvoker, callByPayload, type QueuedInvocation } from "../core/payload_call.ts";
import type { Store } from "../core/store.ts";
import type { TriggerObserver } from "../core/triggers.ts";
import type { BatchCall, Delivered } from "./batch_call.ts";
import { Messages, type StoredMessage } from "./messages.ts";
import { Queues } from "./queues.ts";

/** What they take. */
export interface AsyncInvocationsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly caller: FunctionCaller;
  readonly quotas: DataQuotas;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Before the second attempt; twice as long before the third. */
const RETRY_DELAY_MS = 60_000;
/** An invocation that there was no room for is tried again after half its age, within these. */
const POSTPONE_MS_MIN = 1000;
const POSTPONE_MS_MAX = 300_000;
/** Invocations of one function at a time. */
const CONCURRENCY = 16;
const RETRIES_MAX = 2;
/** What is no attempt: there was no room, or what is deployed could not be read. */
const NO_ATTEMPT: ReadonlySet<string> = new Set([
  "overloaded",
  "concurrency_limited",
  "rate_limited",
  "draining",
  "start_failed",
  "client_gone",
]);
/** Statuses from here on say that the function has failed. */
const FAILED_STATUS_MIN = 400;

type StoredInvocation = Omit<QueuedInvocation, "project" | "functionName" | "payload"> & { readonly payload: string };

/** The invocations. */
export class AsyncInvocations implements AsyncInvoker {
  readonly #options: AsyncInvocationsOptions;
  readonly #messages: Messages;
  readonly #queues: Queues;
  readonly #figures = { accepted: 0, succeeded: 0, failed: 0, dead: 0 };
  #functions: Deployment["functions"] = new Map();

  constructor(options: AsyncInvocationsOptions) {
    this.#options = options;
    this.#messages = new Messages(options.store, "invocations");
    const deliver = (call: BatchCall, batch: readonly StoredMessage[]) => this.#deliver(call, batch);
    // They have figures of their own.
    const observer: TriggerObserver = { messages() {}, scheduled() {} };
    this.#queues = new Queues({ ...options, messages: this.#messages, deliver, observer });
  }

  /** Since the server started. */
  get figures(): AsyncFigures {
    return { ...this.#figures };
  }

  async enqueue({ project, functionName, payload, ...more }: QueuedInvocation): Promise<void> {
    const stored: StoredInvocation = { ...more, payload: Buffer.from(payload).toString("base64") };
    const message = { type: "json", body: JSON.stringify(stored), delayMs: 0 } as const;
    await this.#queues.put(project, functionName, [message]);
    this.#figures.accepted += 1;
    this.#consume(project, functionName);
  }

  /** Goes by what is deployed from now on; what waits for a function that is gone is dropped. */
  async deployed({ functions }: Deployment): Promise<void> {
    const before = this.#functions;
    this.#functions = functions;
    // At the start, what an earlier server has taken; later, only what was deleted since.
    const isStart = before.size === 0;
    const gone = [...before].flatMap(([key, fn]) => (functions.has(key) ? [] : [fn]));
    for (const { project, name } of isStart ? await this.#waiting() : gone) {
      if (!this.#functions.has(functionKey(project, name))) await this.#drop(project, name);
      else if (isStart) this.#consume(project, name);
    }
  }

  async removeProject(project: string): Promise<void> {
    await this.#queues.removeProject(project);
  }

  /** Lets what runs go on for up to `drainMs`, then ends it; it is tried again by the next server. */
  async close(drainMs: number): Promise<void> {
    await this.#queues.close(drainMs);
  }

  async #waiting(): Promise<Pick<RoutedFunction, "project" | "name">[]> {
    const found: { project: string; name: string }[] = [];
    for (const project of await this.#messages.projects()) {
      for (const name of await this.#messages.names(project)) found.push({ project, name });
    }
    return found;
  }

  async #drop(project: string, name: string): Promise<void> {
    const dropped = await this.#queues.empty(project, name, undefined);
    if (dropped === 0) return;
    this.#figures.dead += dropped;
    this.#options.report("Invocations were dropped: their function is gone", { project, function: name, dropped });
  }

  #consume(project: string, functionName: string): void {
    const versions = [...(this.#functions.get(functionKey(project, functionName))?.aliases.values() ?? [])];
    const walls = versions.flatMap(({ targets }) => targets.map(({ version }) => version.limits.wallMs));
    this.#queues.consumeWhileFilled({
      ...{ project, functionName, queue: functionName, deadLetter: undefined },
      ...{ batchSize: 1, batchWaitMs: 0, retries: RETRIES_MAX, retryDelayMs: RETRY_DELAY_MS, concurrency: CONCURRENCY },
      wallMs: Math.max(LIMIT_RULES.wallMs.default, ...walls),
    });
  }

  /** Calls the function with the one invocation of a batch. */
  async #deliver(
    { rule: { project, functionName }, signal }: BatchCall,
    batch: readonly StoredMessage[],
  ): Promise<Delivered> {
    const [message] = batch;
    if (message === undefined) return { verdicts: {} };
    const { payload, ...stored } = JSON.parse(message.body) as StoredInvocation;
    const done: Delivered = { verdicts: { [message.id]: "ack" } };
    const ageMs = this.#options.clock.wallNow() - message.sentAt;
    const give = (why: string): Delivered => {
      this.#figures.dead += 1;
      const fields = { project, function: functionName, requestId: stored.requestId, attempts: message.attempts };
      this.#options.report("An asynchronous invocation was given up", { ...fields, reason: why });
      return done;
    };
    if (ageMs > stored.ageMsMax) return give(`it is older than ${stored.ageMsMax / 1000} s`);
    const call = { ...stored, project, functionName, payload: Buffer.from(payload, "base64") };
    const failure = await this.#call(call, signal);
    if (failure === undefined) {
      this.#figures.succeeded += 1;
      return done;
    }
    if (failure.isNoAttempt) {
      return { postponedMs: Math.min(POSTPONE_MS_MAX, Math.max(POSTPONE_MS_MIN, ageMs / 2)) };
    }
    this.#figures.failed += 1;
    if (failure.isFinal || message.attempts > stored.retries) return give(failure.reason);
    return { verdicts: {} };
  }

  async #call(
    call: QueuedInvocation,
    signal: AbortSignal,
  ): Promise<{ reason: string; isNoAttempt: boolean; isFinal: boolean } | undefined> {
    const { limits } = call;
    try {
      const response = await callByPayload(this.#options.caller, call, { source: "invoke:event", limits, signal });
      // Nobody reads it, but its invocation is over only when it has been read.
      if (response.body instanceof ReadableStream) for await (const _ of response.body);
      const { error } = await response.ended;
      if (error !== undefined) throw error;
      if (response.status < FAILED_STATUS_MIN) return undefined;
      return { reason: `it answered ${response.status}`, isNoAttempt: false, isFinal: false };
    } catch (thrown) {
      const { code, message } = toIsopodError(thrown);
      const isFinal = code === "not_found" || code === "version_unknown";
      return { reason: message, isNoAttempt: NO_ATTEMPT.has(code), isFinal };
    }
  }
}
