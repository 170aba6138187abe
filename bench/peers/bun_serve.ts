/** Bare Bun.serve: what Isopod's listener stands on. */
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("hello world") });
console.log(JSON.stringify({ port: server.port }));
