/**
 * The request that a handler is given. A browser's own drops what pages may not send (`cookie`, `host` and others), and
 * refuses some methods and bodies; what a function is asked must be there as it was asked.
 */

/** A request as the caller made it. */
class AskedRequest extends Request {
  constructor(url: string, init: RequestInit) {
    const { method = "GET", headers, body } = init;
    const hasBody = body !== undefined && body !== null;
    const isNative =
      /^(?!CONNECT$|TRACE$|TRACK$)[!#$%&'*+.^_`|~0-9A-Z-]+$/i.test(method) &&
      !(hasBody && /^(GET|HEAD)$/i.test(method));
    super(url, {
      method: isNative ? method : "POST",
      headers: withoutForbidden(headers),
      // A body that arrives while the handler runs.
      ...(hasBody && { body, duplex: "half" }),
    } as RequestInit);
    const own = new Headers(headers);
    Object.defineProperties(this, { method: { value: method }, headers: { value: own } });
  }

  override clone(): Request {
    const { body } = super.clone();
    const clone = new AskedRequest(this.url, { method: this.method, headers: this.headers, body });
    Object.defineProperty(clone, "signal", { get: () => this.signal, configurable: true });
    return clone;
  }
}

/** What decides how a body is read; the rest is the wrapper's. */
function withoutForbidden(headers: RequestInit["headers"]): [string, string][] {
  const type = new Headers(headers).get("content-type");
  return type === null ? [] : [["content-type", type]];
}

/** Makes the request. */
export function makeRequest(url: string, init: RequestInit): Request {
  return new AskedRequest(url, init);
}
