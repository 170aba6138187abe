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
import { type Body, type InvocationResponse, whenOver } from "../../core/invocation.ts";

const METHOD_LENGTH_MAX = 256;
const RPC = "rpc:";

/** Creates the binding. */
export function createFunctionBinding(caller: FunctionCaller): Binding {
  return new FunctionBinding(caller);
}

class FunctionBinding implements Binding {
  readonly type = "function";
  readonly #caller: FunctionCaller;
  /** What ends the calls that are under way. */
  readonly #enders = new Set<AbortController>();
  #closed = false;

  constructor(caller: FunctionCaller) {
    this.#caller = caller;
  }

  async call(call: BindingCall, grant: BindingGrant, scope: CallScope): Promise<BindingAnswer> {
    scope.countSubrequest();
    const asked = { ...entranceOf(call, grant), ...addressOf(grant, scope), body: call.body };
    if (scope.signal.aborted) throw new IsopodError("client_gone");
    if (this.#closed) {
      const message = `Cannot call "${grant.resource}": the server is shutting down`;
      throw new IsopodError("binding_failed", { message });
    }
    const ender = new AbortController();
    const end = () => ender.abort();
    const over = () => {
      scope.signal.removeEventListener("abort", end);
      this.#enders.delete(ender);
    };
    scope.signal.addEventListener("abort", end);
    this.#enders.add(ender);
    try {
      const response = await this.#caller.call({ ...asked, signal: ender.signal });
      whenOver(response, over);
      const { status, headers } = response;
      return { status, headers, body: bodyOf(response), url: call.url, redirected: false };
    } catch (error) {
      over();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const ender of this.#enders) ender.abort();
  }
}

/** The answer's body; where it is cut off it errors with what ended the callee, which an invocation's own does not say. */
function bodyOf({ body, ended }: InvocationResponse): Body {
  if (!(body instanceof ReadableStream)) return body;
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (cause) {
          controller.error((await ended).error ?? new IsopodError("program_ended", { cause }));
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function addressOf({ project, resource, options }: BindingGrant, scope: CallScope) {
  const { requestId, functionName, depth, deadline } = scope;
  const { alias } = options;
  return {
    ...{ project, functionName: resource, parentRequestId: requestId, depth: depth + 1, deadline },
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
  // Programs of other engines than scripts call a path below the binding's name.
  const address = url.startsWith("/") ? `http://${resource}${url}` : url;
  if (!/^https?:\/\/[^/]/.test(address) || !URL.canParse(address)) {
    const message = `Cannot call "${resource}": expected an address that begins with http:// or https://`;
    throw new IsopodError("bad_request", { message });
  }
  if (headers.some(([name]) => name.toLowerCase() === "upgrade")) {
    const message = `Cannot call "${resource}": WebSockets are for callers from outside, and functions have none between them`;
    throw new IsopodError("bad_request", { message });
  }
  return { method, url: address, headers };
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
