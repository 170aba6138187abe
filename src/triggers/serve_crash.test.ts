/** A server that is killed in the middle of it loses no message that it has acknowledged, and runs no time twice. */
import { expect, test } from "bun:test";
import { ServeProcess } from "../testing/serve_process.ts";

const KILLS = 5;
const SENDS = 40;

const CODE = `
  const count = async (env, key) => env.KV.put(key, String(Number((await env.KV.get(key)) ?? 0) + 1));
  const all = async (env) => {
    const found = {};
    for (let cursor; ; ) {
      const page = await env.KV.list({ cursor });
      for (const { name } of page.keys) found[name] = await env.KV.get(name);
      if (page.list_complete) return found;
      cursor = page.cursor;
    }
  };
  export default {
    async fetch(request, env) {
      const id = new URL(request.url).searchParams.get("id");
      if (id === null) return Response.json(await all(env));
      await env.JOBS.send(id);
      return new Response("sent");
    },
    async queue(batch, env) {
      for (const { body } of batch.messages) {
        await count(env, "message." + body);
        console.log("got " + body);
      }
    },
    async scheduled({ scheduledTime }, env) {
      await count(env, "time." + scheduledTime);
      console.log("a time was counted");
    },
  };`;

const CONFIG = `
listen_address = "127.0.0.1:0"
admin_address = "127.0.0.1:0"
[plans.anonymous]
run = "none"
concurrency = 1000
[[functions]]
name = "f"
path = "./f.js"
routes = ["GET /f"]
limits = { wall_ms = 2000 }
  [functions.bindings]
  JOBS = { type = "queue", name = "jobs" }
  KV = { type = "kv", name = "seen" }
[[schedules]]
function = "f"
cron = "* * * * * *"
[[consumers]]
queue = "jobs"
function = "f"
batch_size = 5
batch_wait_ms = 0
retries = 100
concurrency = 2
`;

test(`${KILLS} kills of a server lose no acknowledged message, and run no time twice`, async () => {
  const acknowledged = new Set<string>();
  let server = await ServeProcess.start({ "isopod.toml": CONFIG, "f.js": CODE });
  try {
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { promise: enough, resolve } = Promise.withResolvers<void>();
      const sends = Array.from({ length: SENDS }, async (_, n) => {
        const id = `${kill}-${n}`;
        const answer = await fetch(`${server.url}/f?id=${id}`).catch(() => undefined);
        if (answer?.status === 200 && (await answer.text().catch(() => "")) === "sent") acknowledged.add(id);
        if (acknowledged.size >= (kill + 1) * (SENDS / 2)) resolve();
      });
      await Promise.race([enough, Promise.all(sends)]);
      server.signal("SIGKILL");
      await Promise.all([server.exited, ...sends]);
      server = await ServeProcess.start({}, server);
    }
    const seen = async () => (await (await fetch(`${server.url}/f`)).json()) as Record<string, string>;
    const before = await seen();
    // What was in hand is delivered when its lease is over.
    for (const id of acknowledged) if (before[`message.${id}`] === undefined) await server.logged(`got ${id}`);
    await server.logged("a time was counted");
    const after = await seen();
    expect([...acknowledged].filter((id) => after[`message.${id}`] === undefined)).toEqual([]);
    expect(acknowledged.size).toBeGreaterThanOrEqual((KILLS * SENDS) / 2);
    const times = Object.entries(after).filter(([name]) => name.startsWith("time."));
    expect(times.length).toBeGreaterThan(0);
    expect(times.filter(([, count]) => count !== "1")).toEqual([]);
  } finally {
    await server[Symbol.asyncDispose]();
  }
}, 120_000);
