/**
 * Follows the log over lost connections and restarts of the server: each connection goes on after the last item that was
 * handed on, so that none comes twice and what the server no longer has is told as a gap.
 */
import { type AdminClient, ApiFailure } from "../reaching/admin_client.ts";
import { messageOf } from "../terminal/terminal.ts";
import type { LogItem } from "./log_lines.ts";
import { type LogQuery, logPath } from "./log_pages.ts";

/** The server says something every 10 s; a connection that is silent for longer than this is dead. */
const SILENCE_MS_MAX = 30_000;
/** Waits between attempts to connect double from the first to the second. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2000;

/** What following is told of. */
export interface FollowEvents {
  /** The connection is lost, for this reason; it is told once, until there is one again. */
  lost(reason: string): void;
  found(): void;
}

/**
 * Items after `cursor` as they come, until who iterates leaves.
 * @throws {ApiFailure} when the server refuses for good
 */
export async function* followItems(
  client: AdminClient,
  query: LogQuery,
  cursor: number,
  events: FollowEvents,
): AsyncGenerator<LogItem> {
  let last = cursor;
  let isLost = false;
  let waitMs = RETRY_MS_MIN;
  for (;;) {
    let reason = "the server ended the stream";
    try {
      for await (const item of connection(client, query, last)) {
        if (isLost) events.found();
        isLost = false;
        waitMs = RETRY_MS_MIN;
        if (item === undefined) continue;
        last = item.id;
        yield item;
      }
    } catch (error) {
      if (isFinal(error)) throw error;
      reason = messageOf(error);
    }
    if (!isLost) events.lost(reason);
    isLost = true;
    await Bun.sleep(waitMs);
    waitMs = Math.min(RETRY_MS_MAX, waitMs * 2);
  }
}

/** What one connection brings; `undefined` first, once it stands. */
async function* connection(client: AdminClient, query: LogQuery, last: number): AsyncGenerator<LogItem | undefined> {
  const silent = new AbortController();
  const giveUp = () => silent.abort(new Error(`Nothing came for ${SILENCE_MS_MAX} ms`));
  let timer = setTimeout(giveUp, SILENCE_MS_MAX);
  try {
    const headers = { accept: "text/event-stream", "last-event-id": String(last) };
    const { body } = await client.raw(logPath({ ...query, follow: "true" }), { headers, signal: silent.signal });
    if (body === null) return;
    yield undefined;
    const heard = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        clearTimeout(timer);
        timer = setTimeout(giveUp, SILENCE_MS_MAX);
        controller.enqueue(chunk);
      },
    });
    const { readEvents } = await import("../../sdk/event_stream.ts");
    for await (const { data } of readEvents(body.pipeThrough(heard))) yield JSON.parse(data) as LogItem;
  } finally {
    clearTimeout(timer);
    silent.abort();
  }
}

/** Whether trying again is of no use: what the server refuses now it will refuse then. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiFailure && error.status < 500 && error.status !== 408 && error.status !== 429;
}
