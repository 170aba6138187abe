/** The call that hands a batch of messages to the function that consumes their queue. */
import { IsopodError } from "../core/errors.ts";
import type { FunctionCaller } from "../core/function_caller.ts";
import type { ConsumerRule } from "../core/triggers.ts";
import type { StoredMessage } from "./messages.ts";

/** A consumer of a project. */
export interface PlacedConsumer extends ConsumerRule {
  readonly project: string;
  readonly functionName: string;
  /** How long one call may take. */
  readonly wallMs: number;
}

/** What a function says of messages, by their ids: `"ack"`, or seconds to wait, null for the queue's own delay. */
export type Verdicts = Readonly<Record<string, unknown>>;

/** What became of a batch. */
export interface Delivered {
  readonly verdicts: Verdicts;
  /** Whether the function threw. */
  readonly threw: boolean;
  /** Set when it was no attempt: the batch is seen again after so long. */
  readonly postponedMs?: number | undefined;
}

/** Hands a batch to who is to have it. @throws {IsopodError} what it failed with */
export type Deliver = (
  rule: PlacedConsumer,
  batch: readonly StoredMessage[],
  signal: AbortSignal,
) => Promise<Delivered>;

/** What becomes of a message: it leaves its queue, or is seen again after a while, as tried so often. */
export type Fate = "done" | "dead" | { readonly inMs: number; readonly attempts: number };

const RETRY_MS_MAX = 12 * 3600 * 1000;

/** What becomes of a message that was delivered; undefined for what has failed as a whole. */
export function fateOf(
  { id, attempts }: StoredMessage,
  delivered: Delivered | undefined,
  { retries, retryDelayMs }: ConsumerRule,
): Fate {
  const { verdicts = {}, postponedMs } = delivered ?? {};
  if (postponedMs !== undefined) return { inMs: postponedMs, attempts: attempts - 1 };
  const verdict = Object.hasOwn(verdicts, id) ? verdicts[id] : null;
  if (verdict === "ack") return "done";
  if (attempts > retries) return "dead";
  const asked = typeof verdict === "number" && verdict >= 0 ? verdict * 1000 : retryDelayMs * 2 ** (attempts - 1);
  return { inMs: Math.min(RETRY_MS_MAX, asked), attempts };
}

/** Calls the function. @throws {IsopodError} what it failed with */
export async function callConsumer(
  caller: FunctionCaller,
  { project, functionName, queue }: PlacedConsumer,
  batch: readonly StoredMessage[],
  signal: AbortSignal,
): Promise<Delivered> {
  const messages = batch.map(({ id, sentAt, attempts, type, body }) => ({
    id,
    timestamp: sentAt,
    attempts,
    type,
    body,
  }));
  const response = await caller.call({
    ...{ project, functionName, source: `queue:${queue}`, method: "POST", url: "http://queue/", headers: [] },
    body: new TextEncoder().encode(JSON.stringify({ queue, messages })),
    ...{ entry: "queue", depth: 0, signal },
  });
  const text = await new Response(response.body as ReadableStream<Uint8Array> | null).text();
  const { error } = await response.ended;
  if (error !== undefined) throw error;
  if (response.status === 404) {
    throw new IsopodError("not_found", { message: `Function "${functionName}" has no queue handler.` });
  }
  const verdicts: unknown = JSON.parse(text);
  const isObject = typeof verdicts === "object" && verdicts !== null;
  return { verdicts: isObject ? (verdicts as Verdicts) : {}, threw: response.status >= 500 };
}
