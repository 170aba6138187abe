/**
 * The section `browser`: functions in a page of a headless Chromium, against puppeteer's `page.evaluate` of the same hello
 * behind node:http: requests a second and processor time of all processes, starts, memory, and what more tabs bring.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireChromium } from "../src/sandbox/chromium.ts";
import type { Pace, Section } from "./hello.ts";
import { type Isopod, startIsopod } from "./isopod.ts";
import { startPeer, until } from "./peer.ts";
import { descendants } from "./proc.ts";
import { figure, type Goal, table } from "./report.ts";
import { type Measurement, medianOf, runLoad } from "./run_load.ts";
import type { Tools } from "./tools.ts";

const SECONDS: Readonly<Record<number, number>> = { 1: 2, 32: 3 };
const LOAD = { path: "/hello", expect: "hello world" } as const;
const STARTS = 20;
const FUNCTIONS = 20;

const RATIO_WANTED = 3;
const TAB_MS_WANTED = 80;
const FUNCTION_MB_WANTED = 15;

const HELLO = 'export default { fetch: () => new Response("hello world") };';
/** Some ten milliseconds of computing, in code of the browser's own: how soon and for how long V8 keeps a loop compiled varies. */
const HEAVY = `const rows = Array.from({ length: 30_000 }, (_, id) => ({ id, name: "row " + id }));
export default { fetch() {
  const copy = JSON.parse(JSON.stringify(rows));
  return new Response("hello world" + (copy.length === 1 ? "!" : ""));
} };`;

const functionTable = (name: string, file: string, more = "") =>
  `[[functions]]\nname = "${name}"\nengine = "browser"\npath = "./${file}"\nroutes = ["GET /${name}"]\n${more}\n`;
const PLAN = '[plans.anonymous]\nrun = "any"\nconcurrency = 10000\n';

/** Measures all of it. */
export async function measureBrowser({ node }: Tools, { rounds, scale }: Pace): Promise<Section> {
  const warm = await warmHello(node, rounds, scale);
  const starts = await startTimes(Math.ceil(STARTS * scale));
  const memory = await memoryOfFunctions(Math.ceil(FUNCTIONS * scale));
  const tabs = await tabsOfHeavy(scale);
  const ours = warm.get("Isopod, page|32");
  const peers = warm.get("puppeteer|32");
  const ratio = (ours?.perSecond ?? 0) / (peers?.perSecond ?? Number.NaN);
  const failures = [...warm].flatMap(([name, measured]) =>
    measured.failures === 0 ? [] : [`${name}: ${measured.failures} wrong answers: ${measured.firstFailure}`],
  );
  const rows = [...warm].map(([key, { perSecond, p50Ms, p99Ms, serverUs, instanceUs }]) => [
    ...key.split("|"),
    ...[perSecond, p50Ms, p99Ms, serverUs, instanceUs].map(figure),
  ]);
  const others = [
    ["browser, function and first answer, ms", starts.browser],
    ["a further function's first answer, ms", starts.tab],
    ["a fresh program of /run, ms", starts.run],
    ["memory a further function, MB (proportional)", memory.functionMb],
    ["memory of the browser, MB (proportional)", memory.browserMb],
    ...tabs.map(({ count, perSecond }) => [`computing handler, ${count} tabs, req/s`, perSecond] as const),
  ] as const;
  const goals: Goal[] = [
    goal(
      "warm hello in a page at 32 connections against puppeteer",
      ratio,
      RATIO_WANTED,
      "times",
      ratio >= RATIO_WANTED,
    ),
    goal("a pooled tab to its first answer", starts.tab, TAB_MS_WANTED, "ms", starts.tab < TAB_MS_WANTED),
    goal(
      "memory of a further function",
      memory.functionMb,
      FUNCTION_MB_WANTED,
      "MB",
      memory.functionMb <= FUNCTION_MB_WANTED,
    ),
  ];
  return {
    text: [
      table([["warm hello in a page", "connections", "req/s", "p50 ms", "p99 ms", "server µs", "browser µs"], ...rows]),
      table([["pages", "median"], ...others.map(([what, value]) => [what, figure(value)])]),
    ].join("\n\n"),
    goals,
    figures: { warm: Object.fromEntries(warm), starts, memory, tabs },
    failures,
  };
}

function goal(what: string, reached: number, wanted: number, unit: string, pass: boolean): Goal {
  const bound = unit === "times" ? `${wanted} times` : `under ${wanted} ${unit}`;
  return { what, wanted: bound, reached: `${figure(reached)} ${unit}`, pass };
}

function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

async function warmHello(node: string, rounds: number, scale: number): Promise<Map<string, Measurement>> {
  const chromium = await requireChromium(process.env["ISOPOD_CHROMIUM"]);
  await using ending = new AsyncDisposableStack();
  // The peer is killed, and its browser ends a moment later: what it leaves of its profile is removed then.
  const folder = ending.adopt(mkdtempSync(join(tmpdir(), "isopod-bench-")), removeFolder);
  chmodSync(folder, 0o777);
  const program = join(import.meta.dir, "peers", "puppeteer.mjs");
  let browsers: readonly number[] = [];
  ending.defer(() => until("the peer's browser to end", () => !browsers.some((pid) => existsSync(`/proc/${pid}`))));
  const puppeteer = ending.use(await startPeer("puppeteer", [node, program, chromium, folder]));
  ending.defer(() => {
    browsers = descendants(puppeteer.pid);
  });
  const config = PLAN + functionTable("hello", "hello.ts", "instances = 1");
  await using isopod = await startIsopod({ name: "Isopod, page", config, files: { "hello.ts": HELLO } });
  const found = new Map<string, Measurement[]>();
  for (const peer of [isopod, puppeteer]) {
    // The browser is started by the first.
    await (await fetch(`http://127.0.0.1:${peer.port}${LOAD.path}`)).text();
    // What is compiled late is compiled.
    await runLoad(peer, { ...LOAD, connections: 32, seconds: 3 });
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const connections of Object.keys(SECONDS).map(Number)) {
      for (const peer of [isopod, puppeteer]) {
        const seconds = (SECONDS[connections] ?? 1) * scale;
        const key = `${peer.name}|${connections}`;
        found.set(key, [...(found.get(key) ?? []), await runLoad(peer, { ...LOAD, connections, seconds })]);
      }
    }
  }
  return new Map([...found].map(([key, measured]) => [key, medianOf(measured)]));
}

/** First answers, in milliseconds: with a browser to be started, with a tab that waits, of a program that is sent. */
async function startTimes(count: number): Promise<{ browser: number; tab: number; run: number }> {
  const names = Array.from({ length: count + 1 }, (_, at) => `f${at}`);
  const config = PLAN + names.map((name) => functionTable(name, "hello.ts")).join("");
  const timed = async (isopod: Isopod, path: string, init?: RequestInit) => {
    const begun = performance.now();
    const answer = await fetch(`http://127.0.0.1:${isopod.port}${path}`, init);
    if ((await answer.text()) !== "hello world") throw new Error(`Cannot measure ${path}: ${answer.status}`);
    return performance.now() - begun;
  };
  await using isopod = await startIsopod({ config, files: { "hello.ts": HELLO } });
  const browser = await timed(isopod, "/f0");
  const tabs: number[] = [];
  const runs: number[] = [];
  for (const name of names.slice(1)) {
    // The stock of blank tabs is full again.
    await Bun.sleep(300);
    tabs.push(await timed(isopod, `/${name}`));
    await Bun.sleep(300);
    const body = HELLO.replace("hello world", `hello "+"world`);
    runs.push(await timed(isopod, "/run?engine=browser", { method: "POST", body }));
  }
  return { browser, tab: middle(tabs), run: middle(runs) };
}

async function memoryOfFunctions(count: number): Promise<{ functionMb: number; browserMb: number }> {
  const names = Array.from({ length: count }, (_, at) => `f${at}`);
  const config = PLAN + names.map((name) => functionTable(name, "hello.ts")).join("");
  await using isopod = await startIsopod({ config, files: { "hello.ts": HELLO } });
  const call = async (name: string) => (await fetch(`http://127.0.0.1:${isopod.port}/${name}`)).text();
  await call("f0");
  await Bun.sleep(1000);
  const before = browserMb(isopod.pid);
  for (const name of names.slice(1)) await call(name);
  await Bun.sleep(1000);
  return { functionMb: (browserMb(isopod.pid) - before) / (count - 1), browserMb: before };
}

/** What all processes of the browser have, what they share divided among those who share it. */
function browserMb(server: number): number {
  let kb = 0;
  for (const pid of descendants(server)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!/chrom/.test(command)) continue;
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
      kb += Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
    } catch {
      // Gone meanwhile.
    }
  }
  return kb / 1024;
}

/** A handler that computes, with one tab and with more, each asked by four connections. */
async function tabsOfHeavy(scale: number): Promise<{ count: number; perSecond: number }[]> {
  const counts = [1, 2, 4];
  const config = PLAN + counts.map((count) => functionTable(`t${count}`, "heavy.ts", `instances = ${count}`)).join("");
  await using isopod = await startIsopod({ config, files: { "heavy.ts": HEAVY } });
  const found: { count: number; perSecond: number }[] = [];
  for (const count of counts) {
    const load = { path: `/t${count}`, expect: "hello world", connections: 4 };
    await (await fetch(`http://127.0.0.1:${isopod.port}${load.path}`)).text();
    await runLoad(isopod, { ...load, seconds: 2 });
    const { perSecond } = await runLoad(isopod, { ...load, seconds: 3 * scale });
    found.push({ count, perSecond });
  }
  return found;
}

function middle(values: readonly number[]): number {
  return values.toSorted((first, second) => first - second)[Math.floor(values.length / 2)] ?? Number.NaN;
}
