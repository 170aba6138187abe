/**
 * `npm run bench`: Isopod and its peers on this machine, in this run. bench/README.md says what is measured and how.
 *
 * `-- --only hello,fresh,memory,store` runs some sections, `--quick` is a look in a fifth of the time, `--json FILE`
 * keeps the figures, `--rounds N` changes how many rounds the medians are of. Ends with 1 when an answer was wrong or a
 * goal was missed.
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { measureBindings } from "./bindings.ts";
import { measureBrowser } from "./browser.ts";
import { measureCached } from "./cached.ts";
import { measureComponents } from "./components.ts";
import { measureDeploys } from "./deploy.ts";
import { measureFresh } from "./fresh.ts";
import { measureHello, type Pace, type Section } from "./hello.ts";
import { measureMemory } from "./memory.ts";
import { measureMiddlewares } from "./middlewares.ts";
import { measureProcesses } from "./processes.ts";
import { goalTable } from "./report.ts";
import { measureSql } from "./sql.ts";
import { measureStore } from "./store.ts";
import { installTools, type Tools } from "./tools.ts";
import { measureWasm } from "./wasm.ts";

type Measure = (pace: Pace) => Promise<Section>;

/** What compares with peers, which are installed for it, and what does not. */
const WITH_PEERS: Readonly<Record<string, (tools: Tools) => Measure>> = {
  hello: (tools) => (pace) => measureHello(tools, pace),
  fresh: (tools) => (pace) => measureFresh(tools, pace),
  cached: (tools) => (pace) => measureCached(tools, pace),
  browser: (tools) => (pace) => measureBrowser(tools, pace),
};
const ALONE: Readonly<Record<string, Measure>> = {
  memory: measureMemory,
  store: measureStore,
  deploy: measureDeploys,
  sql: measureSql,
  bindings: measureBindings,
  processes: measureProcesses,
  wasm: measureWasm,
  components: measureComponents,
  middlewares: measureMiddlewares,
};
const SECTIONS = [...Object.keys(WITH_PEERS), ...Object.keys(ALONE)];

const { values } = parseArgs({
  options: {
    only: { type: "string", default: SECTIONS.join(",") },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
const pace: Pace = { rounds: Number(values.rounds ?? (values.quick ? 1 : 3)), scale: values.quick ? 0.4 : 1 };
const chosen = values.only.split(",");
for (const name of chosen)
  if (!SECTIONS.includes(name)) fail(`Cannot run "${name}": the sections are ${SECTIONS.join(", ")}`);
if (!Number.isInteger(pace.rounds) || pace.rounds < 1)
  fail(`Cannot run "${values.rounds}" rounds: expected a whole number from 1`);

const tools = chosen.some((name) => name in WITH_PEERS) ? await installTools() : undefined;
const toolVersions = tools?.versions ?? { bun: Bun.version };
const loadBefore = loadavg()[0] ?? 0;
const startedAt = new Date();
const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}`;
const versions = Object.entries(toolVersions).map(([name, version]) => `${name} ${version}`);
console.log(`${startedAt.toISOString().slice(0, 10)}, ${machine}, ${versions.join(", ")}`);
if (loadBefore > 0.5) console.log(`The machine is not quiet: its load was ${loadBefore.toFixed(2)} before the run.`);

const sections = new Map<string, Section>();
for (const name of chosen) {
  const measure = (tools && WITH_PEERS[name]?.(tools)) ?? ALONE[name];
  const section = await measure?.(pace);
  if (section === undefined) continue;
  sections.set(name, section);
  console.log(`\n${section.text}`);
}
const goals = [...sections.values()].flatMap((section) => section.goals);
const failures = [...sections.values()].flatMap((section) => section.failures);
console.log(`\n${goalTable(goals)}`);
for (const failure of failures) console.error(failure);
const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
console.log(`\n${pace.rounds} rounds, medians; ${seconds} s in all.`);
if (values.json !== undefined) {
  const figures = Object.fromEntries([...sections].map(([name, section]) => [name, section.figures]));
  const kept = {
    at: startedAt,
    machine,
    loadBefore,
    versions: toolVersions,
    pace,
    seconds,
    goals,
    failures,
    figures,
  };
  writeFileSync(values.json, `${JSON.stringify(kept, undefined, 2)}\n`);
}
process.exit(failures.length > 0 || goals.some(({ pass }) => !pass) ? 1 : 0);

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
