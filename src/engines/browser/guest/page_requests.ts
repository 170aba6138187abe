/**
 * What a context can reach: the page's own resources, its socket, and what it may ask of the browser. Everything else, of
 * whatever scheme, method or address, is refused.
 */

import type { RequestStart } from "../../guest/http_parser.ts";
import type { BodySink, Handler, Reply } from "../../guest/http_reply.ts";
import type { PageContext } from "./contexts.ts";
import { OWN_PATH } from "./loaded_page.ts";
import type { Tab } from "./tab.ts";
import { ByteSocket } from "./websocket.ts";

/** Where the page's script connects to. */
const SOCKET_PATH = `${OWN_PATH}socket?`;

/** Where it asks for pictures and documents. */
const CAPTURE_PATH = `${OWN_PATH}capture?`;

/** Where a temporary page finds the HTML that it is made of. */
export const HTML_PATH = `${OWN_PATH}html/`;

const IGNORE: BodySink = { data() {}, end() {} };

/** What the requests of pages need of the guest. */
export interface PageRequestHost {
  /** The tab of a context that has not been connected and knows `token`. */
  claim(context: PageContext, token: string): Tab | undefined;
  /** The tab of a context that knows `token`. */
  tabOf(context: PageContext, token: string): Tab | undefined;
  /** The HTML for a temporary page of the context. */
  htmlOf(context: PageContext, name: string): Uint8Array | undefined;
  /** Takes what the page asks of its browser under the number `id`. */
  capture(tab: Tab, id: number, reply: Reply): BodySink;
}

/** Answers the requests of one context. */
export function pageHandler(context: PageContext, host: PageRequestHost): Handler {
  return (head, reply) => {
    const { page } = context;
    const target = targetOf(head);
    if (page === undefined || target.host !== page.host) return refuse(reply);
    if (head.method === "CONNECT") {
      reply.connected();
      return IGNORE;
    }
    const { path } = target;
    if (path.startsWith(SOCKET_PATH)) return connect(context, host, path, head, reply);
    if (path.startsWith(CAPTURE_PATH)) return capture(context, host, path.slice(CAPTURE_PATH.length), head, reply);
    const html = path.startsWith(HTML_PATH) ? host.htmlOf(context, path.slice(HTML_PATH.length)) : undefined;
    const found = html === undefined ? page.find(path) : { type: "text/html; charset=utf-8", bytes: html };
    if (found === undefined) reply.send(404, { "content-type": "text/plain" }, "Not found\n");
    else {
      // The browser fetches the module while the page connects.
      const early = path === "/" ? { link: `<${page.modulePath}>; rel=modulepreload` } : {};
      reply.send(200, { "content-type": found.type, "cache-control": "no-cache", ...early }, found.bytes);
    }
    return IGNORE;
  };
}

/** Takes a wish for a picture or a document, or hands out what was made. */
function capture(
  context: PageContext,
  host: PageRequestHost,
  query: string,
  { method }: RequestStart,
  reply: Reply,
): BodySink {
  const [token = "", id = ""] = query.split("&");
  const tab = host.tabOf(context, token);
  if (tab === undefined || !/^\d{1,9}$/.test(id)) return refuse(reply);
  if (method === "POST") return host.capture(tab, Number(id), reply);
  const made = tab.made.take(Number(id));
  if (made === undefined) return refuse(reply);
  reply.send(200, { "content-type": "application/octet-stream", "cache-control": "no-store" }, made);
  return IGNORE;
}

function connect(
  context: PageContext,
  host: PageRequestHost,
  path: string,
  { headers }: RequestStart,
  reply: Reply,
): BodySink {
  const key = headers.get("sec-websocket-key");
  const tab = key === undefined ? undefined : host.claim(context, path.slice(SOCKET_PATH.length));
  if (key === undefined || tab === undefined) return refuse(reply);
  tab.arrival.connected(new ByteSocket(reply, key, tab.page));
  return IGNORE;
}

function refuse(reply: Reply): BodySink {
  reply.send(403, { "content-type": "text/plain" }, "A page reaches nothing but its own origin\n");
  return IGNORE;
}

/** Where a request goes. One without a host of its own goes where its connection's tunnel leads: to the page. */
function targetOf({ method, sent, headers }: RequestStart): { readonly host: string; readonly path: string } {
  if (method === "CONNECT") return { host: plainHost(sent), path: "/" };
  const absolute = /^([a-z]+):\/\/([^/?#]*)([^#]*)/i.exec(sent);
  if (absolute === null) return { host: plainHost(headers.get("host") ?? ""), path: sent };
  return { host: absolute[1]?.toLowerCase() === "http" ? plainHost(absolute[2] ?? "") : "", path: absolute[3] || "/" };
}

/** A host in small letters; the web's port is left out, any other makes it another host. */
function plainHost(authority: string): string {
  return authority.toLowerCase().replace(/:80$/, "");
}
