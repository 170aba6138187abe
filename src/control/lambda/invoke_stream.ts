/**
 * `InvokeWithResponseStream`: the answer as an event stream, whose chunks are sent as the function gives them and whose
 * last event says how it ended.
 *
 * Source: the API reference, and "Amazon event stream encoding".
 */
import { EventStreamCodec } from "@smithy/eventstream-codec";
import type { InvocationResponse } from "../../core/invocation.ts";
import { callByPayload } from "../../core/payload_call.ts";
import { invalid } from "./failures.ts";
import { type FunctionFailure, failureOf } from "./function_failure.ts";
import { InvocationLog } from "./invocation_log.ts";
import { readInvocation } from "./invocation_request.ts";
import { admit, allowSilence } from "./invoke.ts";
import type { LambdaCall } from "./operation.ts";

/** Of one event; a frame of the encoding may be 16 MiB. */
const CHUNK_BYTES_MAX = 128 * 1024;
const CONTENT_TYPE = "application/vnd.amazon.eventstream";

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes)),
  (text) => new TextEncoder().encode(text),
);

/** The operation. */
export async function invokeStreaming(call: LambdaCall): Promise<Response> {
  const asked = await readInvocation(call);
  const { type, target, shown } = asked;
  if (type === "Event") invalid("Value Event at 'invocationType' is none of RequestResponse, DryRun.");
  if (type === "DryRun") {
    return new Response(null, { status: 204, headers: { "x-amz-executed-version": shown(target.version) } });
  }
  const admitted = await admit(call);
  const release = () => admitted?.[Symbol.dispose]();
  allowSilence(call, asked);
  const log = new InvocationLog(call.requestId, target.version);
  const ending = new AbortController();
  try {
    const began = await begin(call.requestId, () =>
      callByPayload(call.parts.functions, asked.call, {
        ...{ source: "invoke-stream", limits: admitted?.limits, observer: log },
        signal: AbortSignal.any([call.request.signal, ending.signal]),
      }),
    );
    const number = shown(log.version);
    const tail = (failure?: FunctionFailure) =>
      asked.withLog ? log.tail(number, failure, admitted?.limits) : undefined;
    const events = eventsOf(began, call.requestId, tail);
    const headers = { "content-type": CONTENT_TYPE, "x-amz-executed-version": number };
    return new Response(streamOf(events, release, ending), { headers });
  } catch (error) {
    release();
    throw error;
  }
}

/** An invocation that has begun to answer, or failed before that. */
type Began = { readonly response: InvocationResponse } | { readonly failure: FunctionFailure };

async function begin(requestId: string, call: () => Promise<InvocationResponse>): Promise<Began> {
  try {
    return { response: await call() };
  } catch (thrown) {
    return { failure: failureOf(thrown, requestId) };
  }
}

type LogResult = (failure: FunctionFailure | undefined) => string | undefined;

async function* eventsOf(began: Began, requestId: string, logResult: LogResult): AsyncGenerator<Uint8Array> {
  if ("failure" in began) return yield completeEvent(began.failure, logResult(began.failure));
  const { response } = began;
  const { body, status, ended } = response;
  try {
    if (body instanceof Uint8Array) yield* chunkEvents(body);
    else if (body !== null) for await (const chunk of body) yield* chunkEvents(chunk);
  } catch {
    // What ended the body is said below.
  }
  const failure = failureOfEnd((await ended).error, status, requestId);
  yield completeEvent(failure, logResult(failure));
}

function failureOfEnd(error: unknown, status: number, requestId: string): FunctionFailure | undefined {
  if (error === undefined) return status < 400 ? undefined : { kind: "Handled", payload: statusPayload(status) };
  try {
    return failureOf(error, requestId);
  } catch {
    // The head has been sent: what is ours can be told here alone.
    return { kind: "Unhandled", payload: new TextEncoder().encode('{"errorType":"ServiceException"}') };
  }
}

function statusPayload(status: number): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ errorType: `HttpStatus${status}` }));
}

function* chunkEvents(chunk: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < chunk.length; start += CHUNK_BYTES_MAX) {
    yield encode("PayloadChunk", "application/octet-stream", chunk.subarray(start, start + CHUNK_BYTES_MAX));
  }
}

function completeEvent(failure: FunctionFailure | undefined, logResult: string | undefined): Uint8Array {
  const details = failure && new TextDecoder().decode(failure.payload);
  const { errorType } = (details === undefined ? {} : JSON.parse(details)) as { readonly errorType?: string };
  const said = {
    ...(failure && { ErrorCode: errorType ?? failure.kind, ErrorDetails: details }),
    ...(logResult !== undefined && { LogResult: logResult }),
  };
  return encode("InvokeComplete", "application/json", new TextEncoder().encode(JSON.stringify(said)));
}

function encode(event: string, contentType: string, body: Uint8Array): Uint8Array {
  const text = (value: string) => ({ type: "string", value }) as const;
  return codec.encode({
    headers: { ":message-type": text("event"), ":event-type": text(event), ":content-type": text(contentType) },
    body,
  });
}

/** The events as a body; who hangs up ends the invocation. */
function streamOf(
  events: AsyncGenerator<Uint8Array>,
  over: () => void,
  ending: AbortController,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await events.next();
      if (!done) return controller.enqueue(value);
      over();
      controller.close();
    },
    async cancel() {
      over();
      ending.abort();
      await events.return(undefined);
    },
  });
}
