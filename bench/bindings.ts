/**
 * The section `bindings`: what a call of a binding takes, as a warm function sees it, against the same on the bare library
 * in one process. A binding joins by its entries in `MEASURED`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Pace, Section } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { figure, table } from "./report.ts";

const CALLS = 3000;
const KEYS = 1000;
const VALUE_LENGTH = 200;
const GET_US_WANTED = 150;
const MIB = 1024 * 1024;

interface Measured {
  readonly what: string;
  /** The declaration of what stands on `env` as `B`. */
  readonly binding: string;
  /** Body of an async function of `B`, run once before. */
  readonly before: string;
  /** Body of an async function of `B` and `at`, the number of the call. */
  readonly call: string;
  /** Which share of the calls is enough of it; all when left out. */
  readonly share?: number;
  /** The same in this process, in a folder, or by a request to the server; returns what is done for each call. */
  bare(directory: string, port: number): (at: number) => unknown;
}

const KV = { binding: '{ type = "kv", name = "bench" }', before: fill("B.put('k' + at, text)") };

const MEASURED: readonly Measured[] = [
  {
    ...{ what: "KV get", ...KV, call: "return B.get('k' + ((at * 7919) % keys))" },
    bare: (directory) => {
      const { put, get } = bareKv(directory);
      for (let at = 0; at < KEYS; at++) put.run(`k${at}`, "x".repeat(VALUE_LENGTH));
      return (at) => get.get(`k${(at * 7919) % KEYS}`);
    },
  },
  {
    ...{ what: "KV put", ...KV, call: "return B.put('k' + ((at * 7919) % keys), text)" },
    bare: (directory) => {
      const { put } = bareKv(directory);
      return (at) => put.run(`k${(at * 7919) % KEYS}`, "x".repeat(VALUE_LENGTH));
    },
  },
  {
    ...{ what: "blob 1 MiB get", binding: '{ type = "blob", name = "bench" }', share: 0.1 },
    before: `await B.put("mib", new Uint8Array(${MIB}))`,
    call: 'return (await B.get("mib")).arrayBuffer()',
    bare: (directory) => {
      const path = join(directory, "mib");
      writeFileSync(path, new Uint8Array(MIB));
      return () => readFile(path);
    },
  },
  {
    // Against the direct request: one connection that is kept, one request after another.
    ...{ what: "function call", binding: '{ type = "function", name = "other" }', before: "", share: 0.3 },
    call: 'return (await B.fetch("http://other/")).text()',
    bare: (_directory, port) => async () => (await fetch(`http://127.0.0.1:${port}/other`)).text(),
  },
];

/** What is called by a function, or by a request. */
const OTHER = 'export default () => new Response("hello world");';

function fill(call: string): string {
  return `await Promise.all(Array.from({ length: keys }, (_, at) => ${call}))`;
}

function bareKv(directory: string) {
  const database = new DatabaseSync(join(directory, "bare.sqlite"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  database.exec("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT)");
  return {
    put: database.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)"),
    get: database.prepare("SELECT value FROM entries WHERE key = ?"),
  };
}

interface Times {
  readonly p50Us: number;
  readonly p99Us: number;
}

function codeOf({ before, call }: Measured, calls: number): string {
  return `
    const keys = ${KEYS}, text = "x".repeat(${VALUE_LENGTH});
    const before = async (B) => { ${before} };
    const call = async (B, at) => { ${call} };
    let filled;
    export default async (request, { B }) => {
      await (filled ??= before(B));
      const times = [];
      for (let at = 0; at < ${calls}; at++) {
        const begun = performance.now();
        await call(B, at);
        times.push((performance.now() - begun) * 1000);
      }
      return Response.json(times);
    };
  `;
}

/** Measures every binding from a function of a server of its own, one call after another, and on the bare library. */
export async function measureBindings({ rounds, scale }: Pace): Promise<Section> {
  const callsOf = ({ share = 1 }: Measured) => Math.ceil(CALLS * scale * share);
  const tables = MEASURED.map(({ binding }, index) => {
    const limits = "limits = { wall_ms = 600000, cpu_ms = 600000, subrequests = 1000 }";
    const own = `name = "f${index}"\npath = "./f${index}.js"\nroutes = ["GET /f${index}"]\n${limits}`;
    return `[[functions]]\n${own}\nbindings.B = ${binding}\n`;
  });
  tables.push('[[functions]]\nname = "other"\npath = "./other.js"\nroutes = ["GET /other"]\n');
  const codes = MEASURED.map((each, index) => [`f${index}.js`, codeOf(each, callsOf(each))]);
  const files = { ...Object.fromEntries(codes), "other.js": OTHER };
  await using server = await startIsopod({ config: tables.join("\n"), files });
  const failures: string[] = [];
  const found: (readonly [what: string, ours: Times, bare: Times])[] = [];
  for (const [index, measured] of MEASURED.entries()) {
    const ours: Times[] = [];
    const bare: Times[] = [];
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      const response = await fetch(`http://127.0.0.1:${server.port}/f${index}`);
      if (!response.ok) failures.push(`${measured.what}: ${await response.text()}`);
      else if (round > 0) ours.push(timesOf((await response.json()) as number[]));
      if (round > 0) bare.push(await bareTimes(measured, callsOf(measured), server.port));
    }
    found.push([measured.what, medianOf(ours), medianOf(bare)]);
  }
  return report(found, failures);
}

async function bareTimes({ bare }: Measured, calls: number, port: number): Promise<Times> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-bench-"));
  try {
    const step = bare(directory, port);
    const times: number[] = [];
    for (let at = 0; at < calls; at++) {
      const begun = performance.now();
      await step(at);
      times.push((performance.now() - begun) * 1000);
    }
    return timesOf(times);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function timesOf(times: number[]): Times {
  times.sort((first, second) => first - second);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { p50Us: at(0.5), p99Us: at(0.99) };
}

function medianOf(all: readonly Times[]): Times {
  const median = (name: keyof Times) =>
    all.map((each) => each[name]).sort((first, second) => first - second)[Math.floor(all.length / 2)] ?? Number.NaN;
  return { p50Us: median("p50Us"), p99Us: median("p99Us") };
}

function report(found: readonly (readonly [string, Times, Times])[], failures: readonly string[]): Section {
  const rows = found.map(([what, ours, bare]) => {
    const figures = [ours.p50Us, ours.p99Us, bare.p50Us, ours.p50Us / bare.p50Us];
    return [what, ...figures.map((each) => figure(each))];
  });
  const reached = found.find(([what]) => what === "KV get")?.[1].p50Us ?? Number.NaN;
  return {
    text: table([["from a function", "p50 µs", "p99 µs", "bare p50 µs", "× bare"], ...rows]),
    goals: [
      {
        what: "KV get from a warm function, p50",
        wanted: `under ${GET_US_WANTED} µs`,
        reached: `${figure(reached)} µs`,
        pass: reached < GET_US_WANTED,
      },
    ],
    figures: Object.fromEntries(found.map(([what, ours, bare]) => [what, { ours, bare }])),
    failures,
  };
}
