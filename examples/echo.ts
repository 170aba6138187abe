// In a browser's console:
//   const socket = new WebSocket("ws://localhost:8080/echo");
//   socket.onmessage = (event) => console.log(event.data);
//   socket.send("anyone there?");

declare const WebSocketPair: new () => { 0: WebSocket; 1: WebSocket & { accept(): void } };

export default {
  fetch(request: Request): Response {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("Connect with a WebSocket.\n", { status: 426, headers: { upgrade: "websocket" } });
    }
    const { 0: client, 1: server } = new WebSocketPair();
    let count = 0;
    server.addEventListener("message", ({ data }) => {
      count++;
      server.send(typeof data === "string" ? `${count}: ${data}` : data);
    });
    server.accept();
    return new Response(null, { status: 101, webSocket: client } as ResponseInit);
  },
};
