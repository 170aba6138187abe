// Bare node:http: the figure that everything is compared with.
import { createServer } from "node:http";

const server = createServer((_, response) => {
  response.writeHead(200, { "content-type": "text/plain", "content-length": "11" });
  response.end("hello world");
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
