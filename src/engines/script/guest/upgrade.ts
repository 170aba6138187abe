/** Puts `WebSocketPair` and `Deno.upgradeWebSocket`'s counterpart in place. */
import { PairSocket, WebSocketPair } from "./sockets.ts";

/** Installs the socket globals. */
export function installSockets(): void {
  Object.assign(globalThis, { WebSocketPair });
}

/** `Deno.upgradeWebSocket`: a socket for the function, and the response that accepts it. */
export function upgradeWebSocket(): { socket: PairSocket; response: Response } {
  const { 0: client, 1: socket } = new WebSocketPair();
  queueMicrotask(() => {
    socket.accept();
    const event = new Event("open");
    socket.dispatchEvent(event);
    socket.onopen?.(event);
  });
  const init = { status: 101, webSocket: client } as ResponseInit;
  return { socket, response: new Response(null, init) };
}
