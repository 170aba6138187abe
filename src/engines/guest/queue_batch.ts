/** A batch of a queue's messages as a consumer finds it, and what it has said of each of them. */

/** What the host hands over. */
export interface QueueEvent {
  readonly queue: string;
  readonly messages: readonly {
    readonly id: string;
    /** Milliseconds since the Unix epoch. */
    readonly timestamp: number;
    readonly attempts: number;
    readonly type: "json" | "text" | "bytes";
    /** Text, JSON text, or Base64. */
    readonly body: string;
  }[];
}

interface RetryOptions {
  readonly delaySeconds?: number;
}

/** What has been said of a message: seconds to wait before it is tried again, or that it is done. */
type Verdict = "ack" | number | null;

/** Whoever sent a message has checked that it can be read; one that cannot all the same harms none beside it. */
function bodyOf(type: QueueEvent["messages"][number]["type"], body: string): unknown {
  try {
    return type === "json" ? JSON.parse(body) : type === "bytes" ? Uint8Array.fromBase64(body) : body;
  } catch {
    return undefined;
  }
}

/**
 * The batch for the consumer, and the outcome for the host. What is said first of a message, or of the batch, counts, and
 * what is said of a message counts before what is said of the batch.
 */
export function queueBatch({ queue, messages }: QueueEvent) {
  const verdicts = new Map<string, Verdict>();
  let all: Verdict | undefined;
  const delayOf = (options?: RetryOptions) => options?.delaySeconds ?? null;
  const say = (id: string, verdict: Verdict) => {
    if (!verdicts.has(id)) verdicts.set(id, verdict);
  };
  const sayAll = (verdict: Verdict) => {
    if (all === undefined) all = verdict;
  };
  const made = messages.map(({ id, timestamp, attempts, type, body }) => ({
    id,
    timestamp: new Date(timestamp),
    attempts,
    body: bodyOf(type, body),
    ack: () => say(id, "ack"),
    retry: (options?: RetryOptions) => {
      if (all !== "ack") say(id, delayOf(options));
    },
  }));
  const batch = {
    queue,
    messages: made,
    ackAll: () => sayAll("ack"),
    retryAll: (options?: RetryOptions) => sayAll(delayOf(options)),
  };
  /** By message: `"ack"`, or the seconds after which it is tried again (null for the queue's own delay). */
  const outcome = (isOk: boolean) => {
    const other = all !== undefined ? all : isOk ? "ack" : null;
    return Object.fromEntries(messages.map(({ id }) => [id, verdicts.has(id) ? verdicts.get(id) : other]));
  };
  return { batch, outcome };
}
