/**
 * The Lambda API on the admin listener: what AWS's SDKs and tools call, for functions of every engine. One table of
 * operations, and for each request its operation, its caller, and an answer in AWS's form.
 *
 * Loaded at the first request for it. What the operations mean stands in docs/lambda.md.
 */
import { toIsopodError } from "../../core/errors.ts";
import { ANONYMOUS } from "../../core/plan.ts";
import type { QuietExchange } from "../api/admin_logs.ts";
import { ACCOUNT_OPERATIONS } from "./account_operations.ts";
import { ALIAS_OPERATIONS } from "./alias_operations.ts";
import { type CallerParts, checkAccess, identify } from "./caller.ts";
import { CONCURRENCY_OPERATIONS } from "./concurrency_operations.ts";
import { failureResponse, LambdaError, toLambdaError } from "./failures.ts";
import { FUNCTION_OPERATIONS } from "./function_operations.ts";
import { PAYLOAD_BYTES_MAX } from "./invocation_request.ts";
import { invoke } from "./invoke.ts";
import { invokeStreaming } from "./invoke_stream.ts";
import { LISTING_OPERATIONS } from "./listing_operations.ts";
import type { LambdaParts, Operation } from "./operation.ts";
import { VERSION_OPERATIONS } from "./publishing.ts";
import { RETRY_OPERATIONS } from "./retry_operations.ts";
import { URL_OPERATIONS } from "./url_operations.ts";

const BODY_BYTES_MAX = 64 * 1024;

/** Everything that is offered. */
const OPERATIONS: readonly Operation[] = [
  {
    ...{ name: "Invoke", method: "POST", path: "/2015-03-31/functions/{FunctionName}/invocations" },
    ...{ access: "invoke", bodyBytesMax: PAYLOAD_BYTES_MAX, run: invoke },
  },
  {
    ...{ name: "InvokeWithResponseStream", method: "POST", access: "invoke", bodyBytesMax: PAYLOAD_BYTES_MAX },
    path: "/2021-11-15/functions/{FunctionName}/response-streaming-invocations",
    run: invokeStreaming,
  },
  ...FUNCTION_OPERATIONS,
  ...LISTING_OPERATIONS,
  ...VERSION_OPERATIONS,
  ...ALIAS_OPERATIONS,
  ...URL_OPERATIONS,
  ...CONCURRENCY_OPERATIONS,
  ...RETRY_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
];

interface Match {
  readonly operation: Operation;
  readonly path: Readonly<Record<string, string>>;
}

/** Makes the handler of its requests. It never rejects. */
export function createLambdaApi(
  parts: LambdaParts & Pick<CallerParts, "principal">,
): (request: Request, exchange: QuietExchange | undefined) => Promise<Response> {
  const routes = OPERATIONS.map((operation) => ({ operation, pattern: patternOf(operation.path) }));
  const { plane, principal, wallNow } = parts;
  const hasProject = (project: string) => plane.replica.get("projects", project) !== undefined;
  const takesUnsigned = () => plane.published.callers.plans.get(ANONYMOUS)?.unsigned === true;
  const callers: CallerParts = { pairs: plane.pairs, principal, hasProject, takesUnsigned, wallNow };
  return async (request, exchange) => {
    const requestId = parts.newRequestId();
    try {
      const url = new URL(request.url);
      const { operation, path } = findOperation(routes, request.method, url.pathname);
      const { caller, check } = identify(callers, request, operation.access);
      const body = await readBody(request, operation);
      check(body);
      checkAccess(caller, operation.name, operation.access);
      const response = await operation.run({ parts, caller, request, requestId, url, path, body, exchange });
      response.headers.set("x-amzn-requestid", requestId);
      return response;
    } catch (thrown) {
      const error = toLambdaError(thrown);
      if (error.type === "ServiceException") {
        const { code, details } = toIsopodError(thrown);
        parts.report("A request of the Lambda API failed", { code, requestId, cause: String(details.cause) });
      }
      return failureResponse(error, requestId);
    }
  };
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}/?$`);
}

function findOperation(
  routes: readonly { readonly operation: Operation; readonly pattern: RegExp }[],
  method: string,
  pathname: string,
): Match {
  for (const { operation, pattern } of routes) {
    const found = operation.method === method ? pattern.exec(pathname) : null;
    if (found === null) continue;
    return { operation, path: Object.fromEntries(Object.entries(found.groups ?? {}).map(decoded)) };
  }
  const message = `There is no operation ${method} ${pathname.slice(0, 200)} here.`;
  throw new LambdaError("UnknownOperationException", message);
}

function decoded([name, text]: readonly [string, string]): [string, string] {
  try {
    return [name, decodeURIComponent(text)];
  } catch {
    throw new LambdaError("InvalidParameterValueException", `Cannot read ${name}: it is not percent-encoded UTF-8.`);
  }
}

/** The whole body, under the operation's bound. */
async function readBody(request: Request, { name, bodyBytesMax = BODY_BYTES_MAX }: Operation): Promise<Uint8Array> {
  const tooLarge = (): never => {
    const message = `Request must be smaller than ${bodyBytesMax} bytes for the ${name} operation`;
    throw new LambdaError("RequestTooLargeException", message);
  };
  if (request.body === null) return new Uint8Array();
  if (Number(request.headers.get("content-length") ?? 0) > bodyBytesMax) tooLarge();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
