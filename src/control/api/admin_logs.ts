/**
 * `GET /v1/logs` on the admin listener: a page of the log store as JSON, or the log as it is written, as server-sent
 * events.
 *
 * Parameters are checked here and are then trusted. An event's `id` is the cursor to go on from, so that a client that
 * lost its connection misses nothing: it sends the last one it saw as `Last-Event-ID`, as browsers do.
 */
import { type Context, Hono } from "hono";
import { z } from "zod";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import { type LogItem, type LogQuery, type LogStore, RECORD_LEVELS } from "../../core/log_store.ts";

/** What the routes reach. */
export interface LogRouteParts {
  readonly store: LogStore;
  readonly clock: Clock;
}

/** What a stream of events needs of its exchange: that it may be silent between heartbeats. */
export interface QuietExchange {
  allowSilence(ms: number): void;
}

type LogContext = Context<{ Bindings: QuietExchange }>;

const NAME_LENGTH_MAX = 200;
const TEXT_LENGTH_MAX = 1024;
const PAGE_ITEMS = 100;
const PAGE_ITEMS_MAX = 1000;
const HEARTBEAT_MS = 10_000;
/** Events that wait for a client that does not read; the log goes on without it, and tells it later what it missed. */
const WAITING_BYTES_MAX = 64 * 1024;

const name = z.string().min(1).max(NAME_LENGTH_MAX);
const cursor = z
  .string()
  .regex(/^\d{1,15}$/, "expected the id of a record")
  .transform(Number);
const time = z.string().transform((text, issues): number => {
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  issues.addIssue({ code: "custom", message: "expected milliseconds since 1970, or a time as 2026-01-31T12:00:00Z" });
  return z.NEVER;
});

/** The parameters of `GET /v1/logs`, in its query. */
export const LOG_PARAMETERS = z.strictObject({
  project: name.optional(),
  function: name.optional(),
  version: name.optional(),
  request_id: name.optional(),
  level: z.enum(RECORD_LEVELS).optional(),
  from: time.optional(),
  to: time.optional(),
  text: z.string().max(TEXT_LENGTH_MAX).optional(),
  order: z.enum(["newest", "oldest"]).default("newest"),
  limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(PAGE_ITEMS),
  cursor: cursor.optional(),
  follow: z.enum(["true", "false"]).default("false"),
});

/** Creates the routes, relative to where they are mounted. */
export function logRoutes({ store, clock }: LogRouteParts): Hono<{ Bindings: QuietExchange }> {
  const routes = new Hono<{ Bindings: QuietExchange }>();
  routes.get("/", async (context) => {
    const { query, follow } = readParameters(context);
    if (follow) return followLogs(context, store, query, clock);
    const { items, next, missing, newestId } = await store.query(query, context.req.raw.signal);
    return context.json({ items, next: next === undefined ? null : String(next), missing, newest_id: newestId });
  });
  return routes;
}

/** @throws {IsopodError} `bad_request` naming the parameter */
function readParameters({ req }: LogContext): { readonly query: LogQuery; readonly follow: boolean } {
  const given = req.queries();
  const twice = Object.entries(given).find(([, values]) => values.length > 1);
  if (twice !== undefined) throw refused(twice[0], "expected once");
  const parsed = LOG_PARAMETERS.safeParse(req.query());
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const names = Object.keys(LOG_PARAMETERS.shape).join(", ");
    if (issue?.code === "unrecognized_keys") throw refused(issue.keys[0] ?? "", `it is not known; known are ${names}`);
    throw refused(String(issue?.path[0]), issue?.message ?? "");
  }
  const { request_id, from, to, follow, ...rest } = parsed.data;
  const query = { ...rest, requestId: request_id, fromMs: from, toMs: to };
  const asksForEvents = (req.header("accept") ?? "").includes("text/event-stream");
  if (follow === "false" && !asksForEvents) return { query, follow: false };
  const last = cursor.safeParse(req.header("last-event-id"));
  return { query: last.success ? { ...query, cursor: last.data } : query, follow: true };
}

function refused(parameter: string, reason: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot read the parameter "${parameter}": ${reason}` });
}

function followLogs(context: LogContext, store: LogStore, query: LogQuery, clock: Clock): Response {
  const gone = new AbortController();
  const { signal } = context.req.raw;
  const items = store.follow(query, gone.signal)[Symbol.asyncIterator]();
  let stopBeating = () => {};
  const end = () => {
    stopBeating();
    gone.abort();
  };
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  const encoder = new TextEncoder();
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const beat = () => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(": \n\n"));
        };
        // At once, so that the client learns that it is connected.
        beat();
        if (!gone.signal.aborted) stopBeating = clock.every(HEARTBEAT_MS, beat);
      },
      async pull(controller) {
        const { value, done } = await items.next();
        if (!done) return controller.enqueue(encoder.encode(eventOf(value)));
        end();
        if (!signal.aborted) controller.close();
      },
      cancel: end,
    },
    { highWaterMark: WAITING_BYTES_MAX, size: (chunk) => chunk?.length ?? 0 },
  );
  context.env.allowSilence(2 * HEARTBEAT_MS);
  return new Response(stream, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" },
  });
}

/** JSON has no line end, so an event's data is one line. */
function eventOf(item: LogItem): string {
  const event = item.kind === "missing" ? "missing" : "record";
  return `id: ${item.id}\nevent: ${event}\ndata: ${JSON.stringify(item)}\n\n`;
}
