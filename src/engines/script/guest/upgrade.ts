/** Puts `WebSocketPair` and `Deno.upgradeWebSocket`'s counterpart in place. */
import { type PairSocket, WebSocketPair } from "../../guest/sockets.ts";

/** Installs the socket globals. */
export function installSockets(): void {
  Object.assign(globalThis, { WebSocketPair });
}

/**
 * `Deno.upgradeWebSocket`: a socket for the function, and the response that accepts it.
 * @param options `protocol` is the subprotocol that the client is told
 */
export function upgradeWebSocket(options: { readonly protocol?: string } = {}): {
  socket: PairSocket;
  response: Response;
} {
  const { 0: client, 1: socket } = new WebSocketPair();
  const { protocol } = options;
  if (protocol !== undefined) socket.protocol = protocol;
  queueMicrotask(() => {
    socket.accept();
    const event = new Event("open");
    socket.dispatchEvent(event);
    socket.onopen?.(event);
  });
  const headers = protocol === undefined ? {} : { "sec-websocket-protocol": protocol };
  const init = { status: 101, webSocket: client, headers } as ResponseInit;
  return { socket, response: new Response(null, init) };
}
