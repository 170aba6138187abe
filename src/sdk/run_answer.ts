/**
 * The answer of a run, from its events: a value, an async iterable, or a `Response`.
 *
 * Events and not the plain answer, because only they say why an answer ends before it is complete, and which answer is
 * the program's own and which the server's.
 */
import { readEvents, type StreamEvent } from "./event_stream.ts";
import { IsopodRunError, type RunFailure } from "./run_error.ts";
import type { RunLogLine } from "./run_options.ts";
import { VALUE_TYPE, VALUES_TYPE } from "./sent_function.ts";

/** How an answer is read. */
export interface AnswerOptions {
  readonly log: ((line: RunLogLine) => void) | undefined;
  /** Makes the error of what the server says went wrong. */
  readonly fail: (failure: RunFailure) => IsopodRunError;
  readonly signal: AbortSignal | undefined;
  readonly resultBytesMax: number;
}

interface ResultHead {
  readonly status: number;
  readonly headers: [string, string][];
}

/**
 * What the program answered.
 * @throws {IsopodRunError}
 */
export async function readAnswer(response: Response, options: AnswerOptions): Promise<unknown> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream") || response.body === null) throw options.fail(await failureOf(response));
  const events = progress(readEvents(response.body), options);
  const first = await events.next();
  if (first.done === true) return new Response(null);
  if (first.value.name === "output") {
    const headers = { "content-type": "text/plain; charset=utf-8" };
    return new Response(streamOf(outputs(events, first.value)), { headers });
  }
  const { status, headers } = JSON.parse(first.value.data) as ResultHead;
  const kind = headers.find(([name]) => name === "content-type")?.[1];
  if (kind === VALUE_TYPE) return readValue(events, options);
  if (kind === VALUES_TYPE) return readValues(events);
  const empty = status === 204 || status === 205 || status === 304;
  if (!empty) return new Response(streamOf(outputs(events)), { status, headers });
  await events.return(undefined);
  return new Response(null, { status, headers });
}

type Progress = AsyncGenerator<StreamEvent, undefined>;

/** Results and outputs, until the end. @throws {IsopodRunError} when the run fails, or the connection before it */
async function* progress(events: AsyncGenerator<StreamEvent>, options: AnswerOptions): Progress {
  try {
    for await (const event of events) {
      if (event.name === "end") return undefined;
      if (event.name === "error") throw options.fail(JSON.parse(event.data) as RunFailure);
      if (event.name === "log") options.log?.(JSON.parse(event.data) as RunLogLine);
      else yield event;
    }
  } catch (cause) {
    options.signal?.throwIfAborted();
    if (cause instanceof IsopodRunError) throw cause;
    throw options.fail({ code: "connection_lost", message: `Cannot read on: the connection broke (${cause})` });
  }
  options.signal?.throwIfAborted();
  throw options.fail({
    code: "connection_lost",
    message: "Cannot read on: the server hung up before the run had ended",
  });
}

async function* outputs(events: Progress, first?: StreamEvent): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    if (first !== undefined) yield bytesOf(first);
    for await (const event of events) if (event.name === "output") yield bytesOf(event);
  } finally {
    await events.return(undefined);
  }
}

const encoder = new TextEncoder();

/** The bytes of an output: text, or base64 where they are no UTF-8. */
function bytesOf({ data }: StreamEvent): Uint8Array<ArrayBuffer> {
  const output = JSON.parse(data) as string | { readonly base64: string };
  if (typeof output === "string") return encoder.encode(output);
  return Uint8Array.from(atob(output.base64), (character) => character.charCodeAt(0));
}

/** @throws {IsopodRunError} `response_limit` when it is larger than the caller takes */
async function readValue(events: Progress, { fail, resultBytesMax }: AnswerOptions): Promise<unknown> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of outputs(events)) {
    bytes += chunk.length;
    if (bytes > resultBytesMax) {
      const message = `Cannot take the result: it has more than ${resultBytesMax} bytes; stream it, or raise resultBytesMax`;
      throw fail({ code: "response_limit", message, limit: { name: "resultBytesMax", value: resultBytesMax } });
    }
    text += decoder.decode(chunk, { stream: true });
  }
  text += decoder.decode();
  return text === "" ? undefined : JSON.parse(text);
}

async function* readValues(events: Progress): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of outputs(events)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line);
  }
}

function streamOf(chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return(undefined);
    },
  });
}

/** What an answer that is no stream of events says; servers refuse this way before a run begins. */
async function failureOf(response: Response): Promise<RunFailure> {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text) as { readonly error?: RunFailure };
    if (typeof error?.code === "string" && typeof error.message === "string") return error;
  } catch {
    // Told below.
  }
  const message = `${response.url} answered ${response.status} and no events; is it an Isopod server's endpoint for programs?`;
  return { code: "invalid_answer", message };
}
