/**
 * `fetch` inside a guest: every request goes to the host, which decides and connects.
 *
 * `data:` and `blob:` addresses stay inside the guest. Bodies stream both ways; `signal` gives the request up.
 */
import type { GuestGlobal, GuestPort } from "../../../core/guest.ts";

/** Puts the global `fetch` in place. */
export const egressGuest: GuestGlobal = {
  install(port) {
    const native = globalThis.fetch;
    const through = createFetch(port, native);
    globalThis.fetch = Object.assign(through, { preconnect: () => {} }) as typeof fetch;
  },
};

type FetchInput = string | URL | Request;

function createFetch(port: GuestPort, native: typeof fetch) {
  return async function fetch(input: FetchInput, init?: RequestInit): Promise<Response> {
    const request = new Request(input as string, init);
    const { protocol } = new URL(request.url);
    if (protocol === "data:" || protocol === "blob:") return native(input as string, init);
    if (protocol !== "http:" && protocol !== "https:") {
      throw new TypeError(`Cannot fetch "${request.url}": expected an address that begins with http: or https:`);
    }
    // Bun gives every body its type but a text.
    if (typeof init?.body === "string" && !request.headers.has("content-type")) {
      request.headers.set("content-type", "text/plain;charset=UTF-8");
    }
    const redirect = init?.redirect ?? request.redirect;
    const answer = await port.call("egress", {
      method: request.method,
      url: request.url,
      headers: [...request.headers],
      body: request.body,
      redirect,
      signal: init?.signal ?? (input instanceof Request ? input.signal : undefined),
    });
    const response = new Response(answer.body, {
      status: answer.status,
      headers: answer.headers as [string, string][],
    });
    Object.defineProperties(response, { url: { value: answer.url }, redirected: { value: answer.redirected } });
    return response;
  };
}
