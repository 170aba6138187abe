/**
 * Requests in a page: those that handlers are given, and those that functions make. A browser's own drops what pages may
 * not send (`cookie`, `host` and others), and refuses some methods and bodies; here all of it is kept, for the host to
 * decide about.
 */

const NativeRequest = globalThis.Request;

/** Methods that a browser's own requests cannot have. */
const FORBIDDEN = /^(CONNECT|TRACE|TRACK)$/i;

/** By it, what stands for a request that the browser has not made yet gives the one that it has. */
export const WHOLE = Symbol("whole request");

type Input = string | URL | Request;

/** What the browser's own functions understand. */
export function wholeOf(input: Input): Input {
  return (input as { [WHOLE]?: () => Input } | null | undefined)?.[WHOLE]?.() ?? input;
}

/** A request that keeps all that it was made of. */
export class PageRequest extends NativeRequest {
  readonly #headers: Headers;

  constructor(given: Input, init: RequestInit = {}) {
    const input = wholeOf(given);
    const from = input instanceof NativeRequest ? input : undefined;
    const method = init.method ?? from?.method ?? "GET";
    const hasBody = (init.body ?? from?.body ?? null) !== null;
    const own = new Headers((init.headers ?? from?.headers) as Bun.HeadersInit | undefined);
    const isNative = !FORBIDDEN.test(method) && !(hasBody && /^(GET|HEAD)$/i.test(method));
    const type = own.get("content-type");
    super(
      input as unknown as string,
      {
        ...init,
        method: isNative ? method : "POST",
        headers: type === null ? [] : [["content-type", type]],
        // A body may arrive while it is read.
        ...(hasBody && { duplex: "half" }),
      } as RequestInit,
    );
    // What follows from the body's kind.
    const implied = hasBody && type === null && from === undefined ? super.headers.get("content-type") : null;
    if (implied !== null) own.set("content-type", implied);
    this.#headers = own;
    if (!isNative) Object.defineProperty(this, "method", { value: method, configurable: true });
  }

  override get headers(): Headers {
    return this.#headers;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof NativeRequest;
  }

  override clone(): ReturnType<InstanceType<typeof NativeRequest>["clone"]> {
    const { method, headers } = this;
    const clone = super.clone();
    Object.defineProperties(clone, {
      method: { value: method, configurable: true },
      headers: { value: new Headers(headers), configurable: true },
      signal: { get: () => this.signal, configurable: true },
      clone: { value: PageRequest.prototype.clone, configurable: true },
    });
    return clone;
  }
}

/** Puts it in the place of the browser's. */
export function installRequest(): void {
  Object.defineProperty(PageRequest, "name", { value: "Request" });
  globalThis.Request = PageRequest as unknown as typeof Request;
}
