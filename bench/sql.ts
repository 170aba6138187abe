/** The section `sql`: a point read and an insert from a function, against the same on `node:sqlite` in one process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Pace, Section } from "./hello.ts";
import { startIsopod } from "./isopod.ts";
import { figure, table } from "./report.ts";

const READS = 4000;
const INSERTS = 1000;
const ROWS = 1000;
const READ_US_WANTED = 150;
const SCHEMA = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)";
const READ = "SELECT name FROM items WHERE id = ?";
const INSERT = "INSERT INTO items (name) VALUES (?)";

const FUNCTION = `
export default {
  async fetch(request, env) {
    const { read, insert } = await request.json();
    const times = { read: [], insert: [] };
    const [reading, inserting] = [env.DB.prepare("${READ}"), env.DB.prepare("${INSERT}")];
    for (let at = 0; at < read; at++) {
      const started = performance.now();
      await reading.bind(1 + (at % ${ROWS})).first();
      times.read.push(performance.now() - started);
    }
    for (let at = 0; at < insert; at++) {
      const started = performance.now();
      await inserting.bind("a name of some length").run();
      times.insert.push(performance.now() - started);
    }
    return Response.json(times);
  },
};
`;

const CONFIG = `
[[functions]]
name = "sql"
path = "./sql.js"
routes = ["POST /sql"]
limits = { wall_ms = 120000, cpu_ms = 60000 }
[functions.bindings]
DB = { type = "sql", name = "bench" }
`;

interface Times {
  readonly read: readonly number[];
  readonly insert: readonly number[];
}

/** Measures both in turn, several times over. */
export async function measureSql({ rounds, scale }: Pace): Promise<Section> {
  await using isopod = await startIsopod({ config: CONFIG, files: { "sql.js": FUNCTION } });
  const counts = { read: Math.ceil(READS * scale), insert: Math.ceil(INSERTS * scale) };
  const rows = Array.from({ length: ROWS }, (_, at) => `INSERT INTO items (name) VALUES ('item ${at}');`).join("\n");
  const script = await isopod.admin("/v1/projects/default/databases/bench/script", {
    method: "POST",
    body: JSON.stringify({ texts: [SCHEMA, rows] }),
  });
  if (!script.ok) throw new Error(`Cannot fill the database: ${await script.text()}`);
  const ask = async (body: object): Promise<Times> => {
    const answer = await fetch(`http://127.0.0.1:${isopod.port}/sql`, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`Cannot measure: ${await answer.text()}`);
    return (await answer.json()) as Times;
  };
  await ask({ read: 2000, insert: 100 });
  const through: Times[] = [];
  const bare: Times[] = [];
  for (let round = 0; round < rounds; round++) {
    through.push(await ask(counts));
    bare.push(measureBare(counts, rows));
  }
  return report(through, bare);
}

function measureBare(counts: { readonly read: number; readonly insert: number }, rows: string): Times {
  const directory = mkdtempSync(join(tmpdir(), "isopod-bench-"));
  const database = new DatabaseSync(join(directory, "bare.sqlite"));
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    database.exec(`BEGIN; ${SCHEMA}; ${rows} COMMIT`);
    const [read, insert] = [database.prepare(READ), database.prepare(INSERT)];
    return {
      read: timesOf(counts.read, (at) => read.get(1 + (at % ROWS))),
      insert: timesOf(counts.insert, () => insert.run("a name of some length")),
    };
  } finally {
    database.close();
    rmSync(directory, { recursive: true });
  }
}

function timesOf(count: number, step: (at: number) => unknown): number[] {
  return Array.from({ length: count }, (_, at) => {
    const started = performance.now();
    step(at);
    return performance.now() - started;
  });
}

function report(through: readonly Times[], bare: readonly Times[]): Section {
  const figures: Record<string, number> = {};
  const rows = (["read", "insert"] as const).map((what) => {
    const [ours, theirs] = [through, bare].map((times) => times.flatMap((each) => each[what]).sort((a, b) => a - b));
    const at = (times: readonly number[] | undefined, share: number) =>
      (times?.[Math.floor(times.length * share)] ?? Number.NaN) * 1000;
    figures[`${what}P50Us`] = at(ours, 0.5);
    figures[`${what}P99Us`] = at(ours, 0.99);
    figures[`${what}BareP50Us`] = at(theirs, 0.5);
    const shown = [at(ours, 0.5), at(ours, 0.99), at(theirs, 0.5), at(theirs, 0.99), at(ours, 0.5) / at(theirs, 0.5)];
    return [what === "read" ? "point read" : "insert, durable", ...shown.map(figure)];
  });
  const readUs = figures["readP50Us"] ?? Number.NaN;
  const goal = {
    what: "a point read of SQL from a function, p50",
    wanted: `at most ${READ_US_WANTED} µs`,
    reached: `${figure(readUs)} µs`,
    pass: readUs <= READ_US_WANTED,
  };
  const head = ["sql", "p50 µs", "p99 µs", "node:sqlite p50 µs", "p99 µs", "ratio"];
  return { text: table([head, ...rows]), goals: [goal], figures, failures: [] };
}
