/**
 * A run as `text/event-stream`: `log`, `output`, `result`, `error`, `end`. Lines keep their order, and so does output;
 * what was written to both within one turn may change places.
 *
 * `result` has status and headers of the answer; `output` its body, piece by piece; `end` always comes last, with the
 * figures. The stream itself is whole even when the run is not: that is what `error` is for.
 */
import { errorBody, type IsopodError, toIsopodError } from "../../core/errors.ts";
import type {
  Body,
  InvocationFigures,
  InvocationObserver,
  InvocationResponse,
  LogLine,
} from "../../core/invocation.ts";
import type { Sender } from "../admission.ts";
import type { ExchangeRecord } from "../exchange_record.ts";
import type { Work } from "../work.ts";
import { EVENT_STREAM_TYPE, encodeEvent, OutputEvents } from "./server_events.ts";

/** Events that may wait for a client that does not read, in bytes; beyond it log lines are counted and not sent. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** Answers `work` with events. `over` is called once, when everything has ended. */
export function answerWithEvents(
  work: Work,
  record: ExchangeRecord,
  headers: readonly (readonly [string, string])[],
  signal: AbortSignal,
  over: () => void,
): Response {
  const gone = new AbortController();
  signal.addEventListener("abort", () => gone.abort());
  let droppedLines = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const send = (bytes: Uint8Array | undefined) => {
          if (bytes !== undefined && !gone.signal.aborted) controller.enqueue(bytes);
        };
        const log = (line: LogLine) => {
          record.log(line);
          if ((controller.desiredSize ?? 0) <= 0) droppedLines += 1;
          else send(encodeEvent("log", line));
        };
        const room = () => (controller.desiredSize ?? 0) > 0;
        const observer: InvocationObserver = {
          log,
          ended: (end) => record.ended(end),
          timed: (spans) => record.timed(spans),
        };
        run(work, gone, observer, send, room).then(({ response, error }) => {
          if (droppedLines > 0)
            send(
              encodeEvent("log", {
                level: "warn",
                text: `${droppedLines} lines were not sent: the client did not keep up`,
              }),
            );
          if (error !== undefined) send(encodeEvent("error", failureOf(error, record.requestId)));
          send(encodeEvent("end", endOf(record.requestId, record.figures)));
          record.status = response?.status ?? error?.status ?? 200;
          record.finish(error);
          over();
          if (!gone.signal.aborted) controller.close();
        });
      },
      cancel: () => gone.abort(),
    },
    { highWaterMark: WAITING_BYTES_MAX, size: (chunk) => chunk?.length ?? 0 },
  );
  return new Response(stream, {
    headers: [
      ["content-type", EVENT_STREAM_TYPE],
      ["cache-control", "no-store"],
      ["isopod-request-id", record.requestId],
      ...headers.map(([name, value]): [string, string] => [name, value]),
    ],
  });
}

interface Outcome {
  readonly response?: InvocationResponse;
  readonly error?: IsopodError | undefined;
}

async function run(
  work: Work,
  sender: Sender,
  observer: InvocationObserver,
  send: (bytes: Uint8Array | undefined) => void,
  room: () => boolean,
): Promise<Outcome> {
  try {
    const response = await work.invoke(sender, observer);
    if (!response.script) send(encodeEvent("result", { status: response.status, headers: response.headers }));
    await sendOutput(response.body, send, room);
    const { error } = await response.ended;
    return { response, error };
  } catch (thrown) {
    return { error: toIsopodError(thrown) };
  }
}

async function sendOutput(
  body: Body,
  send: (bytes: Uint8Array | undefined) => void,
  room: () => boolean,
): Promise<void> {
  const output = new OutputEvents();
  if (body instanceof Uint8Array) send(output.write(body));
  else if (body !== null) {
    const reader = body.getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        send(output.write(value));
        while (!room()) await Bun.sleep(10);
      }
    } catch {
      // Cut off: the invocation's end says why.
    }
  }
  send(output.flush());
}

/** Frames of the guest itself, below those of the program. */
const GUEST_FRAME = "(/$bunfs/";

/** As everywhere, with the stack of what the program threw: whoever runs it is the one who can mend it. */
function failureOf(error: IsopodError, requestId: string): object {
  const body = errorBody(error, requestId);
  if (!error.details.stack || error.kind !== "user") return body;
  const lines = error.details.stack.split("\n").filter((line) => !line.includes(GUEST_FRAME));
  return { ...body, stack: lines.join("\n") };
}

function endOf(requestId: string, figures: InvocationFigures | undefined): object {
  if (figures === undefined) return { request_id: requestId };
  const { wallMs, cpuMs, memoryBytes, responseBytes, logBytes, subrequests } = figures;
  return {
    request_id: requestId,
    wall_ms: Math.round(wallMs * 100) / 100,
    cpu_ms: Math.round(cpuMs * 100) / 100,
    memory_bytes: memoryBytes,
    response_bytes: responseBytes,
    log_bytes: logBytes,
    subrequests,
  };
}
