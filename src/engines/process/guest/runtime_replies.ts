/** What the Runtime API answers: events with their headers, acceptance, refusals. */
import type { Reply } from "../../guest/http_reply.ts";
import type { EventInvocation } from "./invocation.ts";
import { JSON_TYPE, refuse } from "./replies.ts";
import type { ApiError } from "./runtime_state.ts";

/** The headers of an event, each only where it has a value. */
export function eventHeaders(invocation: EventInvocation, arn: string): Readonly<Record<string, string>> {
  const client = invocation.clientContext?.replace(
    /[^ -~]/g,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return {
    ...JSON_TYPE,
    "Lambda-Runtime-Aws-Request-Id": invocation.id,
    "Lambda-Runtime-Deadline-Ms": String(invocation.deadline),
    "Lambda-Runtime-Invoked-Function-Arn": invocation.calledArn ?? arn,
    "Lambda-Runtime-Trace-Id": invocation.traceId,
    ...(client !== undefined && { "Lambda-Runtime-Client-Context": client }),
  };
}

/** What was posted has been taken. */
export function accept(reply: Reply): void {
  reply.send(202, JSON_TYPE, '{"status":"OK"}\n');
}

/** What was posted is refused. */
export function refuseBy(reply: Reply, { status, errorType, errorMessage }: ApiError): void {
  refuse(reply, status, errorType, errorMessage);
}
