/**
 * The soak's traffic: a steady mix of requests that go well, requests whose program crashes or is ended by a limit,
 * streams, WebSockets, programs that come with their request, and clients that hang up.
 *
 * Every answer is checked: an instance that ends may cost its own invocations, never those of another function.
 */
import { type HangupRequest, runHangups } from "./hangups.ts";
import type { Isopod } from "./isopod.ts";

/** The functions of the soak, as files beside its configuration. */
export const SOAK_FILES: Readonly<Record<string, string>> = {
  "hello.ts": 'export default { fetch: () => new Response("hello") };',
  "crash.ts": "export default { fetch: () => process.exit(3) };",
  "heap.ts": "export default { fetch() { const kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1)); } };",
  "wall.ts": "export default { fetch: () => new Promise(() => {}) };",
  "cpu.ts": "export default { fetch() { for (;;); } };",
  "stream.ts": `export default { fetch: () => new Response((async function* () {
    for (let at = 0; at < 10; at++) { yield new Uint8Array(10_000); await new Promise((r) => setTimeout(r, 20)); }
  })()) };`,
  "socket.ts": `export default { fetch(request) {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(data);
    return response;
  } };`,
};

/** The configuration; another `version` makes other function versions of the same code. */
export function soakConfig(version: number): string {
  const functions = Object.keys(SOAK_FILES).map((file) => {
    const name = file.slice(0, -3);
    const limits = name === "wall" ? "{ wall_ms = 300 }" : name === "cpu" ? "{ cpu_ms = 200 }" : "{}";
    return `[[functions]]\nname = "${name}"\npath = "./${file}"\nroutes = ["ANY /${name}"]\nlimits = ${limits}\nenv = { VERSION = "${version}" }\n`;
  });
  return `[pool]\nidle_ms = 5000\n[plans.anonymous]\nrun = "any"\nrate = "100000/s"\nconcurrency = 1000\n${functions.join("")}`;
}

/** What became of the requests of one kind. */
export interface Tally {
  sent: number;
  wrong: number;
  firstWrong: string | undefined;
}

type Send = (url: string) => Promise<string | undefined>;

/** A kind of request, and how often it is sent, in milliseconds. Each gives what was wrong, or undefined. */
interface Kind {
  readonly everyMs: number;
  readonly send: Send;
}

const IN_FLIGHT_MAX = 32;

/** Sends all kinds until `signal` fires; resolves with the tallies when the last answer is there. */
export async function runTraffic(isopod: Isopod, signal: AbortSignal): Promise<Map<string, Tally>> {
  const url = `http://127.0.0.1:${isopod.port}`;
  const tallies = new Map<string, Tally>();
  const kinds = { ...KINDS, "hang-ups": { everyMs: 5000, send: () => hangUps(isopod.port) } };
  await Promise.all(
    Object.entries(kinds).map(([name, kind]) => {
      const tally: Tally = { sent: 0, wrong: 0, firstWrong: undefined };
      tallies.set(name, tally);
      return sendSteadily(url, kind, tally, signal);
    }),
  );
  return tallies;
}

async function sendSteadily(url: string, { everyMs, send }: Kind, tally: Tally, signal: AbortSignal): Promise<void> {
  const running = new Set<Promise<void>>();
  const sendOne = async () => {
    tally.sent += 1;
    const wrong = await send(url).catch((error: unknown) => String(error));
    if (wrong === undefined) return;
    tally.wrong += 1;
    tally.firstWrong ??= wrong;
  };
  while (!signal.aborted) {
    if (running.size < IN_FLIGHT_MAX) {
      const sent = sendOne().finally(() => running.delete(sent));
      running.add(sent);
    }
    await Bun.sleep(everyMs);
  }
  await Promise.all(running);
}

/** Sends a request that must be answered with `status`, and with `text` somewhere in the body. */
function expecting(status: number, text: string, path: string, program?: () => string): Send {
  return async (url) => {
    const init = program === undefined ? {} : { method: "POST", body: program() };
    const response = await fetch(url + path, init);
    const body = await response.text();
    if (response.status === status && body.includes(text)) return undefined;
    return `${response.status} ${body.slice(0, 200)}`;
  };
}

let nextProgram = 0;

const KINDS: Readonly<Record<string, Kind>> = {
  hello: { everyMs: 20, send: expecting(200, "hello", "/hello") },
  crash: { everyMs: 1000, send: expecting(500, "program_ended", "/crash") },
  heap: { everyMs: 5000, send: expecting(500, "memory_limit", "/heap") },
  wall: { everyMs: 1000, send: expecting(504, "wall_limit", "/wall") },
  cpu: { everyMs: 5000, send: expecting(500, "cpu_limit", "/cpu") },
  stream: { everyMs: 500, send: expecting(200, "", "/stream") },
  socket: { everyMs: 1000, send: echo },
  module: {
    everyMs: 500,
    send: expecting(200, "hello", "/run", () => `export default () => "hello ${nextProgram++}";`),
  },
  script: { everyMs: 1000, send: expecting(200, "hello", "/run", () => `console.log("hello", ${nextProgram++});`) },
  mistake: { everyMs: 2000, send: expecting(400, "syntax_error", "/run", () => `export default ${nextProgram++} +;`) },
  thrown: { everyMs: 2000, send: expecting(500, "line", "/run", () => `throw new Error("${nextProgram++}");`) },
};

/** Ten messages there and back over a WebSocket. */
function echo(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}/socket`);
    let left = 10;
    socket.onopen = () => socket.send(String(left));
    socket.onerror = () => resolve("the WebSocket failed");
    socket.onmessage = ({ data }) => {
      if (String(data) !== String(left)) resolve(`the WebSocket answered ${data}`);
      left -= 1;
      if (left > 0) socket.send(String(left));
      else socket.close(1000);
    };
    socket.onclose = () => resolve(left === 0 ? undefined : "the WebSocket was closed early");
  });
}

const HANGUP_REQUESTS: readonly HangupRequest[] = [
  { method: "GET", path: "/hello" },
  { method: "GET", path: "/wall" },
  { method: "GET", path: "/stream" },
  { method: "POST", path: "/hello", body: "x".repeat(100_000) },
  { method: "POST", path: "/run", body: "console.log('hello');" },
  { method: "POST", path: "/run", body: "for (;;) { console.log('x'.repeat(500)); await Bun.sleep(5); }" },
];

async function hangUps(port: number): Promise<string | undefined> {
  const seed = nextProgram++;
  const { refused } = await runHangups({ port, count: 60, connections: 4, seed, requests: HANGUP_REQUESTS });
  return refused === 0 ? undefined : `${refused} connections were refused (seed ${seed})`;
}
