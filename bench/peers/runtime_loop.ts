/**
 * A bare Runtime API loop: HTTP in front, AWS's Runtime API behind, bootstraps as plain processes without a sandbox.
 *
 * What a function costs without Isopod. Arguments: how many bootstraps, then their command. One event at a time each; no
 * limits, no checks.
 */
interface Waiting {
  give(id: string): void;
}

const [count = "1", ...command] = process.argv.slice(2);
const runtimes: Waiting[] = [];
const queue: string[] = [];
const answers = new Map<string, (body: ArrayBuffer) => void>();
let nextId = 0;

function deliver(): void {
  while (queue.length > 0 && runtimes.length > 0) runtimes.shift()?.give(queue.shift() as string);
}

const api = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  async fetch(request) {
    const path = new URL(request.url).pathname;
    if (path.endsWith("/next")) {
      return new Promise<Response>((resolve) => {
        const headers = (id: string) => ({ "Lambda-Runtime-Aws-Request-Id": id });
        runtimes.push({ give: (id) => resolve(new Response("{}", { headers: headers(id) })) });
        deliver();
      });
    }
    const id = path.split("/").at(-2) ?? "";
    answers.get(id)?.(await request.arrayBuffer());
    answers.delete(id);
    return new Response('{"status":"OK"}', { status: 202 });
  },
});

const front = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: () =>
    new Promise<Response>((resolve) => {
      const id = String(nextId++);
      answers.set(id, (body) => resolve(new Response(body)));
      queue.push(id);
      deliver();
    }),
});

const env = { ...process.env, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${api.port}` };
const children = Array.from({ length: Number(count) }, () =>
  Bun.spawn(command, { env, stdio: ["ignore", "ignore", "ignore"] }),
);
process.on("SIGTERM", () => {
  for (const child of children) child.kill("SIGKILL");
  process.exit(0);
});
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});
console.log(JSON.stringify({ port: front.port }));
