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
    "Lambda-Runtime-Trace-Id": invocation.header("x-amzn-trace-id") ?? traceId(invocation.id),
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

/** Of the request's id, which is as unique, so that one can be found by the other. */
function traceId(id: string): string {
  const hex = /^[0-9a-f]{24,64}$/.test(id) ? id : Buffer.from(id.padEnd(12, "0")).toString("hex");
  const seconds = Math.floor(Date.now() / 1000).toString(16);
  return `Root=1-${seconds}-${hex.slice(-24)};Parent=${hex.slice(0, 16)};Sampled=0`;
}
