/**
 * AWS's Telemetry API 2022-07-01: extensions subscribe, and are sent what happens and what is written, in batches.
 *
 * Destinations are on the sandbox's own loopback, where the guest is too. What an extension does not take is dropped and
 * counted, never waited for.
 */
import type { RequestStart } from "../../guest/http_parser.ts";
import type { BodySink, Reply } from "../../guest/http_reply.ts";

const TYPES = ["platform", "function", "extension"];
const SUBSCRIPTIONS_MAX = 10;
const BODY_BYTES_MAX = 64 * 1024;
/** Events that wait for a subscriber; AWS's largest number of a batch. */
const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** A subscriber must take a batch within this time, in milliseconds. */
const DELIVERY_MS_MAX = 5000;

/** AWS's bounds and defaults of the three ways to say when a batch is full. */
const BUFFERING = {
  maxItems: { from: 1000, to: 10_000, standard: 10_000 },
  maxBytes: { from: 262_144, to: 1_048_576, standard: 262_144 },
  timeoutMs: { from: 25, to: 30_000, standard: 1000 },
} as const;

interface Subscription {
  readonly name: string;
  readonly types: readonly string[];
  readonly url: string;
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly timeoutMs: number;
  waiting: string[];
  waitingBytes: number;
  dropped: number;
  timer: Timer | undefined;
  delivery: Promise<void>;
}

/** The telemetry of one instance. */
export class Telemetry {
  readonly #subscriptions = new Map<string, Subscription>();
  /** What has happened before the first subscription; AWS gives it to those who subscribe while the instance starts. */
  #early: { readonly type: string; readonly text: string }[] | undefined = [];

  /** Whether somebody is told, or may be yet. */
  get isHeard(): boolean {
    return this.#early !== undefined || this.#subscriptions.size > 0;
  }

  /** Tells of something: an event of the platform, or a line of a program. */
  publish(type: string, record: unknown): void {
    if (!this.isHeard) return;
    const event = { type, text: JSON.stringify({ time: new Date().toISOString(), type, record }) };
    if (this.#early !== undefined && this.#early.length < 1000) this.#early.push(event);
    for (const subscription of this.#subscriptions.values()) this.#add(subscription, event);
  }

  /** The instance has started: later subscribers do not get what was before. */
  started(): void {
    this.#early = undefined;
  }

  /** Sends what waits. */
  flush(): void {
    for (const subscription of this.#subscriptions.values()) this.#deliver(subscription);
  }

  /** Whether a request is one of this API. */
  isCall({ target }: RequestStart): boolean {
    return target === "/2022-07-01/telemetry" || target === "/2022-07-01/telemetry/";
  }

  /** Answers a subscription of the extension `name`. */
  subscribe(name: string, head: RequestStart, reply: Reply): BodySink {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    return {
      data(chunk) {
        bytes += chunk.length;
        if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
      },
      end: () => {
        const made = head.method === "PUT" ? this.#read(name, Buffer.concat(chunks).toString("utf8")) : "expected PUT";
        if (typeof made === "string") {
          reply.send(400, { "content-type": "application/json" }, error(made));
          return;
        }
        this.#subscriptions.set(name, made);
        for (const event of this.#early ?? []) this.#add(made, event);
        this.publish("platform.telemetrySubscription", { name, state: "Subscribed", types: made.types });
        reply.send(200, { "content-type": "text/plain" }, "OK");
      },
    };
  }

  /** A subscription as it was asked for, or what is wrong with it. */
  #read(name: string, body: string): Subscription | string {
    let asked: Record<string, unknown>;
    try {
      asked = JSON.parse(body) as Record<string, unknown>;
    } catch {
      return "the body is not JSON";
    }
    if (typeof asked !== "object" || asked === null) return "the body is no object";
    const { types, destination, buffering } = asked;
    if (!Array.isArray(types) || types.length === 0 || !types.every((type) => TYPES.includes(type))) {
      return `types must be some of ${TYPES.join(", ")}`;
    }
    const { protocol, URI: url } = (destination ?? {}) as Record<string, unknown>;
    if (protocol !== "HTTP" || typeof url !== "string") return "the destination must have protocol HTTP and a URI";
    const host = URL.canParse(url) ? new URL(url).hostname : "";
    if (!["sandbox.localdomain", "sandbox", "localhost", "127.0.0.1"].includes(host)) {
      return "the destination must be on sandbox.localdomain";
    }
    if (!this.#subscriptions.has(name) && this.#subscriptions.size >= SUBSCRIPTIONS_MAX)
      return "too many subscriptions";
    const sizes = (buffering ?? {}) as Record<string, unknown>;
    const { maxItems, maxBytes, timeoutMs } = BUFFERING;
    return {
      ...{ name, types: types as string[], url: url.replace(/\/\/sandbox(\.localdomain)?(?=[:/]|$)/, "//127.0.0.1") },
      maxItems: within(sizes["maxItems"], maxItems),
      maxBytes: within(sizes["maxBytes"], maxBytes),
      timeoutMs: within(sizes["timeoutMs"], timeoutMs),
      ...{ waiting: [], waitingBytes: 0, dropped: 0, timer: undefined, delivery: Promise.resolve() },
    };
  }

  #add(subscription: Subscription, { type, text }: { readonly type: string; readonly text: string }): void {
    if (!subscription.types.includes(type.split(".")[0] ?? "")) return;
    if (subscription.waiting.length >= WAITING_MAX || subscription.waitingBytes + text.length > WAITING_BYTES_MAX) {
      subscription.dropped += 1;
      return;
    }
    subscription.waiting.push(text);
    subscription.waitingBytes += text.length;
    const isFull =
      subscription.waiting.length >= subscription.maxItems || subscription.waitingBytes >= subscription.maxBytes;
    if (isFull) this.#deliver(subscription);
    else subscription.timer ??= setTimeout(() => this.#deliver(subscription), subscription.timeoutMs);
  }

  #deliver(subscription: Subscription): void {
    clearTimeout(subscription.timer);
    subscription.timer = undefined;
    subscription.delivery = subscription.delivery.then(() => post(subscription));
  }
}

async function post(subscription: Subscription): Promise<void> {
  const { url, waiting, dropped } = subscription;
  if (waiting.length === 0) return;
  subscription.waiting = [];
  subscription.waitingBytes = 0;
  subscription.dropped = 0;
  if (dropped > 0) {
    const record = { reason: "The subscriber was too slow, or refused them", droppedRecords: dropped, droppedBytes: 0 };
    waiting.push(JSON.stringify({ time: new Date().toISOString(), type: "platform.logsDropped", record }));
  }
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `[${waiting.join(",")}]`,
      signal: AbortSignal.timeout(DELIVERY_MS_MAX),
      redirect: "manual",
    });
    await answer.arrayBuffer();
    if (!answer.ok) subscription.dropped += waiting.length;
  } catch {
    subscription.dropped += waiting.length;
  }
}

function within(value: unknown, { from, to, standard }: { from: number; to: number; standard: number }): number {
  return typeof value === "number" && value >= from && value <= to ? Math.floor(value) : standard;
}

function error(message: string): string {
  return JSON.stringify({ errorMessage: `Cannot subscribe: ${message}`, errorType: "ValidationError" });
}
