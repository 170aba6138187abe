/** The types of what a function exports, under the names that Cloudflare's types have. Types only. */
import type { InvocationContext } from "../guest.ts";

/** How a message is tried again. */
export interface QueueRetryOptions {
  readonly delaySeconds?: number;
}

/** A message, for who consumes. */
export interface Message<Body = unknown> {
  readonly id: string;
  readonly timestamp: Date;
  readonly body: Body;
  readonly attempts: number;
  ack(): void;
  retry(options?: QueueRetryOptions): void;
}

/** What the handler `queue` is given. */
export interface MessageBatch<Body = unknown> {
  readonly queue: string;
  readonly messages: readonly Message<Body>[];
  ackAll(): void;
  retryAll(options?: QueueRetryOptions): void;
}

/** What the handler `scheduled` is given. */
export interface ScheduledController {
  readonly cron: string;
  /** Milliseconds since 1970. */
  readonly scheduledTime: number;
  noRetry(): void;
}

/** What a function's default export may have. */
export interface ExportedHandler<Env = unknown, Body = unknown> {
  fetch?(request: Request, env: Env, ctx: InvocationContext): Response | Promise<Response>;
  scheduled?(controller: ScheduledController, env: Env, ctx: InvocationContext): void | Promise<void>;
  queue?(batch: MessageBatch<Body>, env: Env, ctx: InvocationContext): void | Promise<void>;
}
