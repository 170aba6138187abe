/**
 * What runs in a page, before anything of its function: it connects to the guest, takes the load, and hands invocations to
 * the module's handler.
 *
 * Nothing here defends the page against its function: they share one world. What bounds both is the browser's sandbox, the
 * guest, and the host, which believes nothing that it cannot check.
 */
import { Connection, FAR_FLUSH_BYTES } from "../../../../wire/connection.ts";
import { FRAME, GUEST_ACCEPTS } from "../../../../wire/frame.ts";
import { parseJson } from "../../../../wire/heads.ts";
import { decodeParcel } from "../../../../wire/parcels.ts";
import { installResponse } from "../../../guest/program_response.ts";
import { PageBrowser } from "./page_binding.ts";
import type { PageParts } from "./page_parts.ts";
import { type PageLoad, PageProgram } from "./page_program.ts";
import { installRequest } from "./request.ts";

/** The browser's own: programs may put something else in its place. */
const microtask = queueMicrotask;

/** How many steps behind the first frame the others of its turn may be. */
const STEPS = 4;

/** Starts, in the page that the guest has opened; a frame within it has no token, and is left alone. */
export function startPage(parts: PageParts): void {
  const token = location.hash.slice(1);
  if (window.top !== window || !/^[0-9a-f]{32}$/.test(token)) return;
  history.replaceState(null, "", "/");
  installResponse({ cookies: true });
  installRequest();
  const socket = new WebSocket(`ws://${location.host}/__isopod/socket?${token}`);
  socket.binaryType = "arraybuffer";
  const browser = new PageBrowser(token);
  let program: PageProgram | undefined;
  const connection = new Connection({
    side: "guest",
    accepts: GUEST_ACCEPTS,
    events: {
      frame(type, stream, payload) {
        if (type !== FRAME.load) return;
        if (stream !== 0) return void browser.told(stream, parseJson(payload));
        if (program !== undefined) return;
        const { json } = decodeParcel(payload);
        program = new PageProgram(connection, json as PageLoad, parts, browser.binding);
        whenParsed(() => program?.start());
      },
      open: (stream, head) => program?.open(stream, head),
    },
    // Sent as it is: the socket copies it before this returns.
    write: (bytes) => socket.send(bytes as Uint8Array<ArrayBuffer>),
    defer: atEndOfTurn,
    flushBytes: FAR_FLUSH_BYTES,
  });
  socket.onmessage = ({ data }) => connection.receive(new Uint8Array(data as ArrayBuffer));
}

/** Calls back once the page's own markup is there. */
function whenParsed(callback: () => void): void {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", callback, { once: true });
  else callback();
}

/**
 * Behind what is going on now: what handlers that were called together do in one step stands in the queue of microtasks
 * before this, so that their frames leave together. A task of its own would cost more, and come later.
 */
function atEndOfTurn(callback: () => void): void {
  let steps = STEPS;
  const next = () => {
    steps -= 1;
    if (steps === 0) callback();
    else microtask(next);
  };
  microtask(next);
}
