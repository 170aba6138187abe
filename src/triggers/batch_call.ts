/** The call that hands a batch of messages to the function that consumes their queue. */
import { IsopodError, toIsopodError } from "../core/errors.ts";
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

/**
 * What became of a batch: what was said of each message, that all of it failed, or, when it was no attempt, after how
 * long it is seen again.
 */
export type Delivered = { readonly verdicts: Verdicts } | { readonly postponedMs: number } | "failed";

/** Hands a batch to who is to have it. Must not throw. */
export type Deliver = (call: BatchCall, batch: readonly StoredMessage[]) => Promise<Delivered>;

/** What a call takes. */
export interface BatchCall {
  readonly rule: PlacedConsumer;
  /** Ends it. */
  readonly signal: AbortSignal;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What ends a call that the function has never seen. */
const UNSEEN: ReadonlySet<IsopodError["code"]> = new Set(["overloaded", "draining"]);

/** Before what the function has not seen is delivered again. */
const UNSEEN_WAIT_MS = 1000;

/** Calls the function. */
export async function callConsumer(
  caller: FunctionCaller,
  call: BatchCall,
  batch: readonly StoredMessage[],
): Promise<Delivered> {
  const { report, signal } = call;
  const messages = batch.length;
  try {
    const { verdicts, threw } = await callQueue(caller, call, batch);
    if (threw) report("A batch of messages has failed", { code: "uncaught_exception", messages });
    return { verdicts };
  } catch (error) {
    const { code, message: reason } = toIsopodError(error);
    if (signal.aborted || UNSEEN.has(code)) return { postponedMs: UNSEEN_WAIT_MS };
    report("A batch of messages has failed", { code, reason, messages });
    return "failed";
  }
}

async function callQueue(
  caller: FunctionCaller,
  { rule: { project, functionName, queue }, signal }: BatchCall,
  batch: readonly StoredMessage[],
): Promise<{ readonly verdicts: Verdicts; readonly threw: boolean }> {
  const messages = batch.map(({ id, sentAt, attempts, type, body }) => ({
    id,
    timestamp: sentAt,
    attempts,
    type,
    body,
  }));
  const response = await caller.call({
    ...{ project, functionName, source: `queue:${queue}`, method: "POST", url: "http://localhost/" },
    headers: [
      ["content-type", "application/json"],
      ["isopod-trigger", "queue"],
    ],
    body: new TextEncoder().encode(JSON.stringify({ queue, messages })),
    ...{ entry: "queue", depth: 0, signal },
  });
  const text = await new Response(response.body as ReadableStream<Uint8Array> | null).text();
  const { error } = await response.ended;
  if (error !== undefined) throw error;
  if (response.status === 404) {
    throw new IsopodError("not_found", { message: `Function "${functionName}" has no queue handler.` });
  }
  return { verdicts: readVerdicts(text), threw: response.status >= 500 };
}

/** A guest may say anything. */
function readVerdicts(text: string): Verdicts {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    said = undefined;
  }
  if (typeof said === "object" && said !== null) return said as Verdicts;
  throw new IsopodError("invalid_result", { message: "What became of the messages was not said in JSON." });
}
