/** Server-sent events of the admin API. A client that does not keep up is told how many events it has missed. */
import { systemClock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { ControlPlane } from "../control_plane.ts";
import type { Call } from "./endpoint.ts";

/** Events that wait for one client. */
const WAITING_MAX = 1000;
/** Streams at a time. */
const STREAMS_MAX = 200;
/** A comment this often, in milliseconds, so that nobody between takes the connection for a dead one. */
const COMMENT_MS = 10_000;

let streams = 0;

/** Who listens. */
export type StreamCall = Pick<Call<unknown, unknown, unknown>, "request" | "exchange">;

type Send = (event: string, data: unknown) => void;

/** What is audited of a project, or of all. */
export function deploymentEvents(plane: ControlPlane, project: string | undefined, call: StreamCall): Response {
  return eventStream(call, (send) => {
    return plane.onAudit((entry) => {
      if (project === undefined || entry.project === project) send(entry.action, entry);
    });
  });
}

/** The state of the server every `periodMs`. */
export function statusEvents(status: () => object, periodMs: number, call: StreamCall): Response {
  return eventStream(call, (send) => {
    send("status", status());
    return systemClock.every(periodMs, () => send("status", status()));
  });
}

/** @param subscribe is given what sends, and returns what ends the subscription. @throws {IsopodError} `overloaded` */
function eventStream({ request: { signal }, exchange }: StreamCall, subscribe: (send: Send) => () => void): Response {
  if (streams >= STREAMS_MAX) throw new IsopodError("overloaded", { retryAfterSeconds: 1, cause: "event streams" });
  streams += 1;
  exchange?.allowSilence(COMMENT_MS * 2);
  let end = () => {};
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const encoder = new TextEncoder();
        let missed = 0;
        const write = (text: string) => controller.enqueue(encoder.encode(text));
        const send: Send = (event, data) => {
          if ((controller.desiredSize ?? 0) <= 0) {
            missed += 1;
            return;
          }
          if (missed > 0) write(`event: missed\ndata: ${JSON.stringify({ events: missed })}\n\n`);
          missed = 0;
          write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
        };
        write(": open\n\n");
        const stop = subscribe(send);
        const cancelComments = systemClock.every(COMMENT_MS, () => {
          if ((controller.desiredSize ?? 0) > 0) write(": still here\n\n");
        });
        let over = false;
        end = () => {
          if (over) return;
          over = true;
          streams -= 1;
          stop();
          cancelComments();
          signal.removeEventListener("abort", close);
        };
        const close = () => {
          end();
          controller.close();
        };
        signal.addEventListener("abort", close);
      },
      cancel: () => end(),
    },
    { highWaterMark: WAITING_MAX },
  );
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}
