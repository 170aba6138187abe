/**
 * `fetch` in a page: addresses of the page's own origin are its files, and stay in the browser; all others go to the host,
 * which decides and connects.
 */

import { wholeOf } from "./request.ts";

/** The browser's own, from before the host's was put in its place. */
const native = globalThis.fetch;

/** Puts it in place; the global is the one that goes to the host. */
export function installFetch(): void {
  const through = globalThis.fetch;
  const both = (input: Request | URL | string, init?: RequestInit) => {
    const address = input instanceof Request ? input.url : String(input);
    const url = URL.canParse(address, document.baseURI) ? new URL(address, document.baseURI) : undefined;
    if (url === undefined || url.origin === location.origin) return native(wholeOf(input), init);
    return through(input instanceof Request ? input : url.href, init);
  };
  globalThis.fetch = both as typeof fetch;
}
