/** One `deno run` process a request, without permissions: the program that is posted goes to its standard input. */
const deno = process.argv[2] ?? "deno";
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const program = await request.text();
    const child = Bun.spawn([deno, "run", "--no-prompt", "--no-config", "--quiet", "-"], {
      stdin: new TextEncoder().encode(program),
      stdout: "pipe",
      stderr: "inherit",
    });
    return new Response(child.stdout);
  },
});
console.log(JSON.stringify({ port: server.port }));
