/** The load generator must notice every wrong answer: a fast server that answers wrongly must not win. */
import { expect, test } from "bun:test";
import type { Peer } from "./peer.ts";
import { runLoad } from "./run_load.ts";

function peerThatAnswers(answer: (request: Request, count: number) => Response | Promise<Response>): Peer {
  let count = 0;
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answer(request, count++) });
  return {
    name: "test",
    port: server.port ?? 0,
    pid: process.pid,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

const LOAD = { path: "/", connections: 4, seconds: 0.2, expect: "hello" } as const;

test("right answers are counted, with their latencies", async () => {
  await using peer = peerThatAnswers(() => new Response("hello"));
  const { requests, failures, p50Ms, p99Ms } = await runLoad(peer, LOAD);
  expect(failures).toBe(0);
  expect(requests).toBeGreaterThan(100);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
});

test("an answer of the right length with another body or status is wrong", async () => {
  await using bodies = peerThatAnswers((_, count) => new Response(count % 10 === 9 ? "jello" : "hello"));
  expect((await runLoad(bodies, LOAD)).failures).toBeGreaterThan(0);
  await using statuses = peerThatAnswers((_, count) => new Response("hello", { status: count % 10 === 9 ? 404 : 200 }));
  expect((await runLoad(statuses, LOAD)).failures).toBeGreaterThan(0);
});

test("every program is another one, and its own answer is expected, in chunks too", async () => {
  const seen = new Set<string>();
  let sent = 0;
  const load = { ...LOAD, body: "run {n}", expect: "ran {n}" };
  await using peer = peerThatAnswers(async (request) => {
    const program = await request.text();
    seen.add(program);
    sent += 1;
    return new Response(new Blob([program.replace("run", "ran")]).stream());
  });
  expect((await runLoad(peer, load)).failures).toBe(0);
  expect(seen.size).toBe(sent);
  await using stale = peerThatAnswers(() => new Response("ran 1"));
  expect((await runLoad(stale, load)).failures).toBeGreaterThan(0);
});

test("spaced requests go out once an interval", async () => {
  await using peer = peerThatAnswers(() => new Response("hello"));
  const { requests } = await runLoad(peer, { ...LOAD, connections: 1, intervalMs: 50, seconds: 0.5 });
  expect(requests).toBeGreaterThanOrEqual(2);
  expect(requests).toBeLessThanOrEqual(11);
});
