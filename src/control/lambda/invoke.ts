/** `Invoke`: with an answer, without one, and not at all. */
import { IsopodError } from "../../core/errors.ts";
import type { InvocationResponse } from "../../core/invocation.ts";
import { callByPayload } from "../../core/payload_call.ts";
import { LambdaError } from "./failures.ts";
import { answeredError, type FunctionFailure, failureOf, tooLarge } from "./function_failure.ts";
import { InvocationLog } from "./invocation_log.ts";
import { type InvocationAsked, PAYLOAD_BYTES_MAX, readInvocation } from "./invocation_request.ts";
import type { LambdaCall } from "./operation.ts";
import { retriesOf } from "./retry_operations.ts";

/** Beside the function's own wall limit, in milliseconds. */
const SILENCE_SLACK_MS = 5000;

/** The operation. */
export async function invoke(call: LambdaCall): Promise<Response> {
  const asked = await readInvocation(call);
  const { type, target, shown } = asked;
  if (type === "DryRun") return executed(204, shown(target.version), null, []);
  if (type === "Event") {
    await enqueue(call, asked);
    return executed(202, undefined, null, []);
  }
  using admitted = await admit(call);
  allowSilence(call, asked);
  const log = new InvocationLog(call.requestId, target.version);
  const { failure, payload, end } = await settle(call, () =>
    callByPayload(call.parts.functions, asked.call, {
      ...{ source: "invoke", signal: call.request.signal, limits: admitted?.limits, observer: log },
    }),
  );
  const number = shown(log.version);
  const headers: [string, string][] = [["content-type", "application/json"]];
  if (failure !== undefined) headers.push(["x-amz-function-error", failure.kind]);
  await end;
  if (asked.withLog) headers.push(["x-amz-log-result", log.tail(number, failure, admitted?.limits)]);
  return executed(200, number, failure?.payload ?? payload, headers);
}

/** Admits the call of a key, or of nobody, under its plan; the server's own token has none. */
export async function admit({ parts, caller, request }: LambdaCall) {
  const { keyHash, isUnsigned = false } = caller;
  return keyHash === undefined && !isUnsigned ? undefined : parts.admission.admit(keyHash, request.signal);
}

/** Lets the connection stay silent for as long as the function may run. */
export function allowSilence({ exchange }: LambdaCall, { target }: InvocationAsked): void {
  exchange?.allowSilence(target.version.limits.wallMs + SILENCE_SLACK_MS);
}

function executed(
  status: number,
  version: string | undefined,
  body: Uint8Array | null,
  headers: [string, string][],
): Response {
  const all = version === undefined ? headers : [...headers, ["x-amz-executed-version", version] as [string, string]];
  return new Response(body, { status, headers: all });
}

interface Settled {
  readonly payload: Uint8Array;
  readonly failure: FunctionFailure | undefined;
  readonly end: InvocationResponse["ended"] | undefined;
}

/** Calls, and reads the whole answer. */
async function settle({ requestId }: LambdaCall, begin: () => Promise<InvocationResponse>): Promise<Settled> {
  let response: InvocationResponse | undefined;
  const payload = new Uint8Array();
  try {
    response = await begin();
    const body = await readAnswer(response);
    if (body === undefined) return { payload, failure: tooLarge(), end: response.ended };
    const { error } = await response.ended;
    if (error !== undefined) throw error;
    const { status, headers } = response;
    const isJsonAnswer = headers.some(([name, value]) => name.toLowerCase() === "content-type" && /json/i.test(value));
    const failure = status < 400 ? undefined : answeredError(status, body, isJsonAnswer);
    return { payload: body, failure, end: response.ended };
  } catch (thrown) {
    return { payload, failure: failureOf(thrown, requestId), end: response?.ended };
  }
}

/** The whole answer; undefined when it is over what an invocation may answer. @throws what ended the invocation */
async function readAnswer({ body, ended }: InvocationResponse): Promise<Uint8Array | undefined> {
  if (body === null) return new Uint8Array();
  if (body instanceof Uint8Array) return body.length > PAYLOAD_BYTES_MAX ? undefined : body;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > PAYLOAD_BYTES_MAX) return undefined;
      chunks.push(chunk);
    }
  } catch (thrown) {
    // Bodies fail without a reason: the invocation has it.
    throw (await ended).error ?? thrown;
  }
  return Buffer.concat(chunks);
}

async function enqueue(call: LambdaCall, { call: asked, found, target }: InvocationAsked): Promise<void> {
  const { parts } = call;
  // It takes its turn of the key's rate now, and runs later, under the key's limits, whether its caller is there or not.
  using admitted = await admit(call);
  try {
    await parts.invocations.enqueue({ ...asked, ...retriesOf(found, target), limits: admitted?.limits });
  } catch (error) {
    if (!(error instanceof IsopodError) || error.code !== "quota_exceeded") throw error;
    throw new LambdaError("TooManyRequestsException", "The project has too many invocations waiting.", {
      ...{ reason: "ConcurrentInvocationLimitExceeded", retryAfterSeconds: 60 },
    });
  }
}
