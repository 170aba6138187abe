/**
 * The section `processes`: bootstraps in C, Python and Node through Isopod's sandbox, against the same on an unsandboxed bare
 * Runtime API loop (`peers/runtime_loop.ts`): warm with one and with four instances, and from a cold start.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pace, Section } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { type Peer, startPeer } from "./peer.ts";
import { figure, type Goal, table } from "./report.ts";
import { type Measurement, runLoad } from "./run_load.ts";

const SECONDS = 2;
const COLD_STARTS = 20;
const RATIO_WANTED = 1.5;
const COLD_MS_WANTED = 30;

const PYTHON = `#!/usr/bin/python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
BASE = "/2018-06-01/runtime/invocation/"
while True:
    api.request("GET", BASE + "next")
    event = api.getresponse()
    body = event.read()
    api.request("POST", BASE + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", body)
    api.getresponse().read()
`;

const NODE = `#!/usr/bin/env node
const http = require("node:http");
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const call = (method, path, body) => new Promise((resolve, reject) => {
  const headers = body === undefined ? {} : { "content-length": body.length };
  const request = http.request({ host, port, method, path, agent, headers }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }));
  });
  request.on("error", reject);
  request.end(body);
});
(async () => {
  for (;;) {
    const event = await call("GET", "/2018-06-01/runtime/invocation/next");
    await call("POST", "/2018-06-01/runtime/invocation/" + event.headers["lambda-runtime-aws-request-id"] + "/response", event.body);
  }
})();
`;

interface Language {
  readonly name: string;
  readonly folder: string;
}

/** Measures every language there is on this machine. */
export async function measureProcesses({ rounds, scale }: Pace): Promise<Section> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-bench-"));
  try {
    const languages = prepare(directory);
    const rows: string[][] = [
      ["bootstrap", "instances", "req/s", "p50 ms", "p99 ms", "bare req/s", "bare p50 ms", "× bare p50"],
    ];
    const goals: Goal[] = [];
    const failures: string[] = [];
    const figures: Record<string, unknown> = {};
    for (const { name, folder } of languages) {
      for (const instances of [1, 4]) {
        const { ours, bare } = await warm(folder, instances, rounds, SECONDS * scale);
        const ratio = ours.p50Ms / bare.p50Ms;
        rows.push([
          name,
          String(instances),
          ...[ours.perSecond, ours.p50Ms, ours.p99Ms, bare.perSecond, bare.p50Ms, ratio].map(figure),
        ]);
        figures[`${name} ${instances}`] = { ours, bare };
        if (ours.failures + bare.failures > 0) failures.push(`${name}: ${ours.firstFailure ?? bare.firstFailure}`);
        if (instances > 1) continue;
        const reached = `${figure(ratio)} times`;
        goals.push({
          what: `warm ${name}, p50`,
          wanted: `at most ${RATIO_WANTED} times the bare loop's`,
          reached,
          pass: ratio <= RATIO_WANTED,
        });
      }
      const cold = await coldStarts(folder, Math.ceil(COLD_STARTS * scale));
      rows.push([`${name}, cold start`, "1", "", figure(cold), "", "", "", ""]);
      figures[`${name} cold`] = cold;
      if (name !== "C") continue;
      goals.push({
        what: "cold start of C, p50",
        wanted: `under ${COLD_MS_WANTED} ms`,
        reached: `${figure(cold)} ms`,
        pass: cold < COLD_MS_WANTED,
      });
    }
    return { text: table(rows), goals, figures, failures };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Folders with a bootstrap each; what this machine cannot build or run is left out. */
function prepare(directory: string): Language[] {
  const source = join(import.meta.dir, "..", "examples", "processes", "c", "bootstrap.c");
  const languages: Language[] = [];
  const add = (name: string, program: string, lay: (file: string) => boolean) => {
    const folder = join(directory, name.toLowerCase());
    mkdirSync(folder);
    if (Bun.which(program, { PATH: "/usr/local/bin:/usr/bin:/bin" }) !== null && lay(join(folder, "bootstrap"))) {
      languages.push({ name, folder });
    }
  };
  const write = (text: string) => (file: string) => {
    writeFileSync(file, text, { mode: 0o755 });
    return true;
  };
  add("C", "cc", (file) => {
    copyFileSync(source, `${file}.c`);
    return Bun.spawnSync(["cc", "-O2", "-o", file, `${file}.c`]).success;
  });
  add("Python", "python3", write(PYTHON));
  add("Node", "node", write(NODE));
  return languages;
}

function tableOf(name: string, folder: string, instances: number): string {
  const own = `[[functions]]\nname = "${name}"\npath = "${folder}"\nevent = "json"\nroutes = ["GET /${name}"]\n`;
  return `${own}instances = ${instances}\nlimits = { memory_mb = 256 }\n`;
}

async function warm(folder: string, instances: number, rounds: number, seconds: number) {
  const loop = join(import.meta.dir, "peers", "runtime_loop.ts");
  await using bare = await startPeer("bare loop", [
    process.execPath,
    loop,
    String(instances),
    join(folder, "bootstrap"),
  ]);
  await using isopod = await startIsopod({ config: tableOf("f", folder, instances), files: {} });
  await Promise.all(Array.from({ length: instances }, () => fetch(`http://127.0.0.1:${isopod.port}/f`)));
  const found: [Measurement[], Measurement[]] = [[], []];
  for (let round = 0; round <= rounds; round++) {
    for (const [index, [peer, path]] of (
      [
        [isopod, "/f"],
        [bare, "/"],
      ] as const satisfies readonly (readonly [Peer, string])[]
    ).entries()) {
      const measured = await runLoad(peer, { path, connections: instances, seconds, expect: "{}" });
      // The first round warms up.
      if (round > 0) found[index]?.push(measured);
    }
  }
  return { ours: median(found[0]), bare: median(found[1]) };
}

function median(all: readonly Measurement[]): Measurement {
  return [...all].sort((first, second) => first.p50Ms - second.p50Ms)[Math.floor(all.length / 2)] as Measurement;
}

/** The first answers of functions that nobody has called before, in milliseconds: the middle one. */
async function coldStarts(folder: string, count: number): Promise<number> {
  const names = Array.from({ length: count }, (_, index) => `f${index}`);
  await using server = await startIsopod({
    config: names.map((name) => tableOf(name, folder, 1)).join("\n"),
    files: {},
  });
  const times: number[] = [];
  for (const name of names) {
    const begun = performance.now();
    const answer = await fetch(`http://127.0.0.1:${server.port}/${name}`);
    if ((await answer.text()) !== "{}")
      throw new Error(`Cannot measure a cold start: it was answered with ${answer.status}`);
    times.push(performance.now() - begun);
  }
  return times.sort((first, second) => first - second)[Math.floor(times.length / 2)] ?? Number.NaN;
}
