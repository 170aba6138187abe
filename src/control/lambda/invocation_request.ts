/** An invocation as it is asked for: which function, with what, and what is to be told about it. */
import type { FunctionVersion } from "../../core/function.ts";
import type { PayloadCall } from "../../core/payload_call.ts";
import { invalid, LambdaError } from "./failures.ts";
import { functionOf, type LambdaFunction, type Qualified, qualified, shownVersion } from "./functions.ts";
import { isJson } from "./json_text.ts";
import { arnOf, LATEST } from "./names.ts";
import type { LambdaCall } from "./operation.ts";

/** The largest payload of an invocation that is waited for, and the largest answer, in bytes. */
export const PAYLOAD_BYTES_MAX = 6 * 1024 * 1024;
/** The largest payload of one that nobody waits for. */
export const EVENT_BYTES_MAX = 256 * 1024;
const CLIENT_CONTEXT_LENGTH_MAX = 3583;
const MB = 1024 * 1024;
/** What SDKs and tools send payloads as. */
const PAYLOAD_TYPES =
  /^(application\/(octet-stream|x-www-form-urlencoded|json|[\w.+-]*json[\w.+-]*)|binary\/octet-stream)$/;

/** What is asked for. */
export interface InvocationAsked {
  readonly found: LambdaFunction;
  readonly target: Qualified;
  /** What is called; its version is chosen when it begins. */
  readonly call: PayloadCall;
  readonly type: "RequestResponse" | "Event" | "DryRun";
  /** Whether the end of the log is wanted. */
  readonly withLog: boolean;
  /** What AWS calls a version that has answered. */
  shown(version: FunctionVersion): string;
}

/** Reads it. @throws {LambdaError} for the first mistake */
export async function readInvocation(asked: LambdaCall): Promise<InvocationAsked> {
  const { request, body, requestId, caller } = asked;
  const { found, named } = functionOf(asked);
  const target = qualified(found, named.qualifier);
  const type = readType(request.headers.get("x-amz-invocation-type"));
  const log = request.headers.get("x-amz-log-type") ?? "None";
  if (log !== "None" && log !== "Tail") invalid(`Value ${log.slice(0, 40)} at 'logType' is none of None, Tail.`);
  await checkPayload(request, body, type);
  const clientContext = readClientContext(request.headers.get("x-amz-client-context"));
  const told = {
    functionName: found.name,
    functionVersion: target.shown,
    invokedFunctionArn: arnOf(caller, found.name, named.qualifier),
    memoryLimitInMB: String(Math.round(target.version.limits.memoryBytes / MB)),
    ...(clientContext !== undefined && { clientContext }),
  };
  const { project } = caller;
  const which = target.alias === undefined ? { version: target.version.version } : { alias: target.alias };
  const call = {
    project,
    functionName: found.name,
    ...which,
    requestId,
    payload: body,
    toldJson: JSON.stringify(told),
  };
  const shown = (version: FunctionVersion) =>
    named.qualifier === undefined ? LATEST : shownVersion(found.record, version.version);
  return { found, target, call, type, withLog: log === "Tail", shown };
}

function readType(text: string | null): InvocationAsked["type"] {
  const type = text ?? "RequestResponse";
  if (type === "RequestResponse" || type === "Event" || type === "DryRun") return type;
  return invalid(`Value ${type.slice(0, 40)} at 'invocationType' is none of Event, DryRun, RequestResponse.`);
}

async function checkPayload({ headers }: Request, body: Uint8Array, type: InvocationAsked["type"]): Promise<void> {
  const mediaType = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== undefined && !PAYLOAD_TYPES.test(mediaType)) {
    const message = `The content type ${mediaType.slice(0, 100)} of the Invoke request body is not JSON.`;
    throw new LambdaError("UnsupportedMediaTypeException", message);
  }
  const bytesMax = type === "Event" ? EVENT_BYTES_MAX : PAYLOAD_BYTES_MAX;
  if (body.length > bytesMax) {
    const message = `${body.length} byte payload is too large for the ${type} invocation type (limit ${bytesMax} bytes)`;
    throw new LambdaError("RequestTooLargeException", message);
  }
  if (body.length > 0 && !(await isJson(body))) {
    throw new LambdaError("InvalidRequestContentException", "Could not parse request body into json.");
  }
}

function readClientContext(text: string | null): unknown {
  if (text === null || text === "") return undefined;
  const fail = (why: string): never => {
    throw new LambdaError("InvalidRequestContentException", `Cannot read the client context: ${why}.`);
  };
  if (text.length > CLIENT_CONTEXT_LENGTH_MAX) fail(`it is longer than ${CLIENT_CONTEXT_LENGTH_MAX} characters`);
  try {
    return JSON.parse(Buffer.from(text, "base64").toString());
  } catch {
    return fail("expected the Base64 of JSON");
  }
}
