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

/** The batch for the consumer, and the outcome for the host. */
export function queueBatch({ queue, messages }: QueueEvent) {
  const verdicts = new Map<string, Verdict>();
  let rest: Verdict = "ack";
  const delayOf = (options?: RetryOptions) => options?.delaySeconds ?? null;
  const made = messages.map(({ id, timestamp, attempts, type, body }) => ({
    id,
    timestamp: new Date(timestamp),
    attempts,
    body: type === "json" ? JSON.parse(body) : type === "bytes" ? Uint8Array.fromBase64(body) : body,
    ack: () => void verdicts.set(id, "ack"),
    retry: (options?: RetryOptions) => void verdicts.set(id, delayOf(options)),
  }));
  const batch = {
    queue,
    messages: made,
    ackAll() {
      rest = "ack";
    },
    retryAll(options?: RetryOptions) {
      rest = delayOf(options);
    },
  };
  /** By message: `"ack"`, or the seconds after which it is tried again (null for the queue's own delay). */
  const outcome = (isOk: boolean) => {
    const other = isOk ? rest : null;
    return Object.fromEntries(messages.map(({ id }) => [id, verdicts.has(id) ? verdicts.get(id) : other]));
  };
  return { batch, outcome };
}
