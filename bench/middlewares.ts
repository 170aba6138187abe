/**
 * The section `middlewares`: one function without a middleware and with each kind of one that passes everything on, for
 * bodies of 30 bytes and of 1 MB that the function sends back. Both hooks run, so that a request is two of them.
 */
import type { Pace, Section } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { figure, type Goal, table } from "./report.ts";

const FUNCTION = "export default (request: Request) => new Response(request.body);";

const PLAIN_SH = "#!/bin/sh\nexec cat\n";
const PLAIN_PYTHON = "#!/usr/bin/env python3\nimport json, sys\njson.dump(json.load(sys.stdin), sys.stdout)\n";
const PERSISTENT = `#!/usr/bin/env python3
import json, sys
for line in sys.stdin:
    q = json.loads(line)
    print(json.dumps({"id": q["id"], "ok": q["event"] if q["hook"] == "before" else q["response"]}), flush=True)
`;
const MODULE = "export const before = (event) => event;\nexport const after = (response) => response;\n";

const KINDS = [
  ["none", "none", ""],
  ["plain, cat", "cat", 'middleware_ms = 60000\nmiddlewares = ["cat"]'],
  ["plain, Python", "python", 'middleware_ms = 60000\nmiddlewares = ["python"]'],
  ["persistent, Python", "stays", 'middleware_ms = 60000\nmiddlewares = ["stays"]'],
  ["module, in the program", "module", 'middleware_ms = 60000\nmiddlewares = ["module"]'],
] as const;

const BODIES = [
  ["30 bytes", 30],
  ["1 MB", 1_000_000],
] as const;

/** Time for each row, in milliseconds, and requests at a time for what is counted. */
const ROW_MS = 3000;
const CONNECTIONS = 8;
/** How much cheaper a hook is at the least when its process stays. */
const TIMES_WANTED = 5;

interface Row {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
  readonly hookMs: number;
}

/** Measures all of them. */
export async function measureMiddlewares({ rounds, scale }: Pace): Promise<Section> {
  const config = KINDS.map(([, name, more]) => {
    return `[[functions]]\nname = "${name}"\npath = "./echo.ts"\nroutes = ["POST /${name}"]\ninstances = 2\n${more}\nlimits = { wall_ms = 60000, cpu_ms = 60000 }\n`;
  });
  await using isopod = await startIsopod({
    config: config.join("\n"),
    files: {
      "echo.ts": FUNCTION,
      "middlewares/cat": PLAIN_SH,
      "middlewares/python": PLAIN_PYTHON,
      "middlewares/stays": PERSISTENT,
      "middlewares/stays.json": '{"protocol":"ndjson/1"}',
      "middlewares/module.js": MODULE,
    },
  });
  const rows: string[][] = [["middleware", "body", "p50 ms", "p99 ms", `req/s, ${CONNECTIONS} at a time`, "ms a hook"]];
  const figures: Record<string, Row> = {};
  for (const [label, bytes] of BODIES) {
    let bareMs = Number.NaN;
    for (const [kind, name] of KINDS) {
      const send = sender(`http://127.0.0.1:${isopod.port}/${name}`, "x".repeat(bytes));
      await send();
      const measured = await measure(send, rounds, ROW_MS * scale);
      if (name === "none") bareMs = measured.p50Ms;
      const hookMs = name === "none" ? Number.NaN : (measured.p50Ms - bareMs) / 2;
      rows.push([kind, label, ...[measured.p50Ms, measured.p99Ms, measured.perSecond, hookMs].map(figure)]);
      figures[`${kind}, ${label}`] = { ...measured, hookMs };
    }
  }
  const [label] = BODIES[0];
  const times =
    (figures[`plain, Python, ${label}`] as Row).hookMs / (figures[`persistent, Python, ${label}`] as Row).hookMs;
  const goal: Goal = {
    what: `a hook of ${label} in Python, persistent against plain`,
    wanted: `at least ${TIMES_WANTED} times cheaper`,
    reached: `${figure(times)} times`,
    pass: times >= TIMES_WANTED,
  };
  return { text: table(rows), goals: [goal], figures, failures: [] };
}

/** Sends a body, and checks that it comes back. */
function sender(url: string, body: string): () => Promise<void> {
  return async () => {
    const answer = await fetch(url, { method: "POST", body, headers: { "content-type": "text/plain" } });
    const { length } = await answer.text();
    if (answer.status !== 200 || length !== body.length) throw new Error(`${url} answered ${answer.status}, ${length}`);
  };
}

/** One at a time for the times, several for the number; the middle of all rounds. */
async function measure(send: () => Promise<void>, rounds: number, ms: number) {
  const found: { p50Ms: number; p99Ms: number; perSecond: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const times: number[] = [];
    const until = performance.now() + ms / 2;
    while (performance.now() < until) {
      const began = performance.now();
      await send();
      times.push(performance.now() - began);
    }
    times.sort((first, second) => first - second);
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
    const began = performance.now();
    let count = 0;
    const work = async () => {
      for (; performance.now() < began + ms / 2; count += 1) await send();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
    found.push({ p50Ms: at(0.5), p99Ms: at(0.99), perSecond: (count / (performance.now() - began)) * 1000 });
  }
  found.sort((first, second) => first.p50Ms - second.p50Ms);
  return found[Math.floor(found.length / 2)] as (typeof found)[number];
}
