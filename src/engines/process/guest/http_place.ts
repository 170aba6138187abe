/** Where a program of the `http` dialect listens, and how it is reached there. */

/** The path of a Unix socket, or a port of the sandbox's loopback. */
export type HttpPlace = { readonly unix: string } | { readonly port: number };

/** Headers between two parties of one connection. */
export const HOP = new Set([
  ...["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection"],
]);

/** The place that `text` names. @throws {Error} when it names none */
export function readPlace(text: string): HttpPlace {
  if (text.startsWith("/")) return { unix: text };
  if (/^[1-9]\d{0,4}$/.test(text)) return { port: Number(text) };
  throw new Error(`PORT is ${JSON.stringify(text.slice(0, 120))}: expected a port or the absolute path of a socket`);
}

/** The place as a message shows it. */
export function placeName(place: HttpPlace): string {
  return "port" in place ? `127.0.0.1:${place.port}` : place.unix;
}

/** What `fetch` asks there for a path and query. */
export function fetchAt(place: HttpPlace, path: string): { readonly url: string; readonly init: { unix?: string } } {
  if ("port" in place) return { url: `http://127.0.0.1:${place.port}${path}`, init: {} };
  return { url: `http://localhost${path}`, init: { unix: place.unix } };
}

/** What `WebSocket` asks there for a path and query. */
export function socketAt(place: HttpPlace, path: string): string {
  return "port" in place ? `ws://127.0.0.1:${place.port}${path}` : `ws+unix://${place.unix}:${path}`;
}
