/**
 * Refuses request heads that the listener lets through and that two parties could understand differently.
 *
 * Framing is the listener's (`smuggling.test.ts` says what it refuses by itself). What is left: a Host that is no
 * host, or several; `#` in the address, which a route would take as part of the path and a program as its end; a
 * length that was told twice; CONNECT, after whose 200 a client would speak to somebody else.
 */
import { IsopodError } from "../core/errors.ts";

/** A name or an address in brackets, with an optional port. Empty is what a request without a host has. */
const HOST = /^(?:[A-Za-z0-9._~-]{0,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{0,5})?$/;

/** The last Host that was found right: most requests have the one of before. */
let lastHost = "";

/**
 * Checks a head.
 * @throws {IsopodError} `bad_request`
 */
export function checkHead(method: string, url: string, headers: { get(name: string): string | null }): void {
  const host = headers.get("host") ?? "";
  if (host !== lastHost) {
    if (!HOST.test(host)) throw refusal(`its Host header is "${host.slice(0, 100)}", and one host was expected`);
    lastHost = host;
  }
  if (url.includes("#")) throw refusal("its address holds a #");
  if (method === "CONNECT") throw refusal("CONNECT is for proxies");
}

/**
 * The length that a head tells; undefined when it tells none.
 * @throws {IsopodError} `bad_request`
 */
export function toldLength(headers: { get(name: string): string | null }): number | undefined {
  const told = headers.get("content-length");
  if (told === null) return undefined;
  if (!/^\d{1,15}$/.test(told))
    throw refusal(`its Content-Length is "${told.slice(0, 40)}", and one number was expected`);
  return Number(told);
}

function refusal(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot take the request: ${why}.` });
}
