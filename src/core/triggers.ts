/**
 * What calls functions by itself: schedules, and queues that they consume. What is declared stands with the version; what
 * happened stands in the store.
 */

/** A schedule of a function. */
export interface ScheduleRule {
  /** Its name among the function's. */
  readonly name: string;
  /** Five or six fields: seconds (when there are six), minutes, hours, days, months, weekdays. */
  readonly cron: string;
  /** An IANA name. */
  readonly timezone: string;
  /** Whether what was due while no server ran is made up for, once. */
  readonly catchUp: boolean;
  /** What becomes of a time at which the run before goes on: it is left out, or runs beside it. */
  readonly overlap: "skip" | "allow";
  /** Whether it calls the function at all. */
  readonly enabled: boolean;
}

/** A queue that a function consumes. */
export interface ConsumerRule {
  readonly queue: string;
  /** Messages of one call. */
  readonly batchSize: number;
  /** How long a call waits for more messages than there are. */
  readonly batchWaitMs: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** Before the second attempt; twice as long before each further one. */
  readonly retryDelayMs: number;
  /** The queue for messages that failed for the last time; they are dropped when left out. */
  readonly deadLetter: string | undefined;
  /** Calls at a time. */
  readonly concurrency: number;
}

/** What calls a function by itself. */
export interface Triggers {
  readonly schedules: readonly ScheduleRule[];
  readonly consumers: readonly ConsumerRule[];
}

/** Nothing. */
export const NO_TRIGGERS: Triggers = { schedules: [], consumers: [] };

/** How a schedule fares. */
export interface ScheduleView {
  readonly function: string;
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  readonly enabled: boolean;
  /** Milliseconds since the Unix epoch; undefined when it is never due again. */
  readonly nextAt: number | undefined;
  readonly lastAt: number | undefined;
  readonly lastOutcome: ScheduleOutcome | undefined;
  readonly lastRequestId: string | undefined;
  readonly runs: number;
  readonly failed: number;
  /** Times that it was due and no server ran. */
  readonly missed: number;
  /** Times that it was due while the run before was still going. */
  readonly skipped: number;
}

/** What became of a time that a schedule was due. */
export type ScheduleOutcome = "running" | "ok" | "failed" | "missed" | "skipped";

/** How a queue fares. */
export interface QueueView {
  readonly name: string;
  /** All that it holds, those in flight included. */
  readonly messages: number;
  readonly bytes: number;
  /** What the function that consumes it has in its hands now. */
  readonly inFlight: number;
  /** When the oldest was sent. */
  readonly oldestAt: number | undefined;
  /** The function that consumes it. */
  readonly consumer: string | undefined;
  /** Where its dead letters go. */
  readonly deadLetter: string | undefined;
}

/** What became of messages. `dead` are those that went to the dead letters. */
export type MessageOutcome = "sent" | "done" | "retried" | "dead" | "dropped" | "expired" | "removed";

/** Hears how triggers fare, for the metrics. */
export interface TriggerObserver {
  /** @param schedule project, function and name, with "/" between them */
  scheduled(schedule: string, outcome: Exclude<ScheduleOutcome, "running">, count?: number): void;
  /** @param queue project and name, with "/" between them */
  messages(queue: string, outcome: MessageOutcome, count: number): void;
}

/** A message that is to be sent. */
export interface OutgoingMessage {
  readonly type: "json" | "text" | "bytes";
  /** JSON text, text, or Base64. */
  readonly body: string;
  readonly delayMs: number;
}

/** A message that waits. */
export interface QueueMessage extends Omit<OutgoingMessage, "delayMs"> {
  readonly id: string;
  /** When it was sent, and when it may be delivered, in milliseconds since the Unix epoch. */
  readonly sentAt: number;
  readonly visibleAt: number;
  /** Deliveries so far. */
  readonly attempts: number;
}

/** Takes messages. */
export interface QueueSender {
  /** Sends, durable when it resolves; their ids. @throws {IsopodError} `quota_exceeded`, `value_too_large` */
  send(project: string, queue: string, messages: readonly OutgoingMessage[]): Promise<string[]>;
}

/** What whoever administers a project does with its triggers. */
export interface TriggerAdmin extends QueueSender {
  schedules(project: string): Promise<readonly ScheduleView[]>;
  /** Runs a schedule's function now; the request's id. @throws {IsopodError} `not_found`, or what it failed with */
  runSchedule(project: string, functionName: string, name: string): Promise<string>;
  queues(project: string): Promise<readonly QueueView[]>;
  /** The messages that wait longest. */
  peek(project: string, queue: string, limit: number): Promise<readonly QueueMessage[]>;
  /** Removes all messages; how many. */
  purge(project: string, queue: string): Promise<number>;
  /** Moves all messages to another queue, as if they were sent anew; how many. */
  redrive(project: string, queue: string, to: string): Promise<number>;
}
