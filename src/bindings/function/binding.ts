/**
 * Functions that call functions: `env.OTHER.fetch()` and `env.OTHER.method()` reach another function of the same project
 * from inside the server, with the caller's remaining time.
 *
 * Which function, of which project, the grant says; how deep calls stand upon one another, the host counts.
 */
import type { Binding, BindingAnswer, BindingCall, CallScope } from "../../core/binding.ts";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { IsopodError } from "../../core/errors.ts";
import type { FunctionCaller, InternalCall } from "../../core/function_caller.ts";

const METHOD_LENGTH_MAX = 256;
const RPC = "rpc:";

/** Creates the binding. */
export function createFunctionBinding(caller: FunctionCaller): Binding {
  return {
    type: "function",
    async call(call, grant, scope) {
      scope.countSubrequest();
      const response = await caller.call({ ...entranceOf(call, grant), ...addressOf(grant, scope), body: call.body });
      const { status, headers, body } = response;
      return { status, headers, body, url: call.url, redirected: false } satisfies BindingAnswer;
    },
    async close() {},
  };
}

function addressOf({ project, resource, options }: BindingGrant, scope: CallScope) {
  const { requestId, functionName, depth, deadline, signal } = scope;
  const { alias } = options;
  return {
    ...{ project, functionName: resource, parentRequestId: requestId, depth: depth + 1, deadline, signal },
    alias: typeof alias === "string" ? alias : undefined,
    source: functionName === undefined ? "program" : `function:${functionName}`,
  };
}

type Entrance = Pick<InternalCall, "method" | "url" | "headers" | "entry" | "exportName">;

/** By a request, or by a method. @throws {IsopodError} `bad_request` */
function entranceOf({ method, url, headers }: BindingCall, { resource }: BindingGrant): Entrance {
  if (url.startsWith(RPC)) {
    const exportName = methodOf(url.slice(RPC.length));
    return { method: "POST", url: `http://${resource}/`, headers: [], entry: "rpc", exportName };
  }
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
    const message = `Cannot call "${resource}": expected an address that begins with http:// or https://`;
    throw new IsopodError("bad_request", { message });
  }
  if (headers.some(([name]) => name.toLowerCase() === "upgrade")) {
    const message = `Cannot call "${resource}": WebSockets are for callers from outside, and functions have none between them`;
    throw new IsopodError("bad_request", { message });
  }
  return { method, url, headers };
}

function methodOf(encoded: string): string {
  let name = "";
  try {
    name = decodeURIComponent(encoded);
  } catch {
    // Named below.
  }
  if (name !== "" && name.length <= METHOD_LENGTH_MAX) return name;
  throw new IsopodError("bad_request", {
    message: `Expected a method's name of up to ${METHOD_LENGTH_MAX} characters`,
  });
}
