/** The section `store`: the embedded store's reads, durable writes, watches by another process, and blobs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../src/core/store.ts";
import { openSqliteStore } from "../src/store/sqlite/store.ts";
import type { Pace, Section } from "./hello.ts";
import { endWithUs } from "./peer.ts";
import { figure, table } from "./report.ts";

const SECONDS = 0.7;
const VALUE = new Uint8Array(200).fill(7);
const KEYS = 10_000;
const BLOB_BYTES = 1024 * 1024;
const CHANGES = 200;
/** Between two changes, so that each is seen on its own. */
const PAUSE_MS = 5;
const IDLE_MS = 2000;
const SEEN_MS_WANTED = 20;

interface Rate {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What a watching process says. */
interface Seen {
  readonly type: string;
  readonly seenAt: number;
  readonly cpu: { readonly user: number; readonly system: number };
}

/** Measures a new store in the temporary folder, several times over. */
export async function measureStore({ rounds, scale }: Pace): Promise<Section> {
  const found = new Map<string, Rate[]>();
  let idleUs = 0;
  for (let round = 0; round < rounds; round++) {
    const directory = mkdtempSync(join(tmpdir(), "isopod-bench-"));
    const store = openSqliteStore({ directory });
    try {
      const add = (what: string, rate: Rate) => found.set(what, [...(found.get(what) ?? []), rate]);
      for (const [what, rate] of await measureEntries(store, SECONDS * scale)) add(what, rate);
      const watched = await measureWatch(store, directory, Math.ceil(CHANGES * scale));
      add("a change, until another process sees it", watched.rate);
      idleUs = Math.max(idleUs, watched.idleUs);
      for (const [what, rate] of await measureBlobs(store, SECONDS * scale)) add(what, rate);
    } finally {
      await store.close();
      rmSync(directory, { recursive: true });
    }
  }
  return report(new Map([...found].map(([what, rates]) => [what, medianOf(rates)])), idleUs);
}

/** Runs `step` over and over in `lanes` at once. */
async function rateOf(lanes: number, seconds: number, step: (index: number) => Promise<unknown>): Promise<Rate> {
  const times: number[] = [];
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  let next = 0;
  const lane = async () => {
    for (let before = performance.now(); before < until; ) {
      await step(next++);
      const now = performance.now();
      times.push(now - before);
      before = now;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return summaryOf(times, (performance.now() - startedAt) / 1000);
}

function summaryOf(times: number[], seconds: number): Rate {
  times.sort((first, second) => first - second);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { perSecond: times.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

async function measureEntries(store: Store, seconds: number): Promise<Map<string, Rate>> {
  const key = (index: number) => ["k", String(Math.floor((index % KEYS) / 100)), String(index % 100)];
  await Promise.all(Array.from({ length: KEYS }, (_, index) => store.put(key(index), VALUE)));
  const scattered = (index: number) => (index * 7919) % KEYS;
  return new Map([
    ["durable write, one writer", await rateOf(1, seconds, (index) => store.put(key(scattered(index)), VALUE))],
    ["durable write, 64 writers", await rateOf(64, seconds, (index) => store.put(key(scattered(index)), VALUE))],
    ["read", await rateOf(1, seconds, (index) => store.get(key(scattered(index))))],
    ["list of 100", await rateOf(1, seconds, (index) => store.list(["k", String(index % 100)]))],
  ]);
}

async function measureWatch(store: Store, directory: string, count: number): Promise<{ rate: Rate; idleUs: number }> {
  let seen: (event: Seen) => void = () => {};
  const next = () => new Promise<Seen>((resolve) => (seen = resolve));
  const synced = next();
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "store_watcher.ts"), directory], {
    stdout: "inherit",
    stderr: "inherit",
    ipc: (message: Seen) => seen(message),
  });
  endWithUs(child);
  try {
    await Promise.race([
      synced,
      child.exited.then((code) => Promise.reject(new Error(`The watcher ended with ${code}`))),
    ]);
    const times: number[] = [];
    let last: Seen = await synced;
    const change = async () => {
      const heard = next();
      const askedAt = performance.timeOrigin + performance.now();
      await store.put(["watched"], VALUE);
      last = await heard;
      return last.seenAt - askedAt;
    };
    for (let index = 0; index < count; index++) {
      times.push(await change());
      await Bun.sleep(PAUSE_MS);
    }
    const before = last.cpu;
    await Bun.sleep(IDLE_MS);
    await change();
    const usedUs = last.cpu.user + last.cpu.system - before.user - before.system;
    const rate = { ...summaryOf(times, Number.NaN), perSecond: Number.NaN };
    return { rate, idleUs: usedUs / (IDLE_MS / 1000) };
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

async function measureBlobs(store: Store, seconds: number): Promise<Map<string, Rate>> {
  const bytes = new Uint8Array(BLOB_BYTES);
  const hashes: string[] = [];
  const put = async (index: number) => {
    new DataView(bytes.buffer).setUint32(0, index);
    hashes.push((await store.blobs.put(bytes)).hash);
  };
  return new Map([
    ["blob of 1 MiB, written", await rateOf(1, seconds, put)],
    ["blob of 1 MiB, found again", await rateOf(1, seconds, () => store.blobs.put(bytes))],
    ["blob of 1 MiB, read", await rateOf(1, seconds, (index) => store.blobs.read(hashes[index % hashes.length] ?? ""))],
  ]);
}

function medianOf(rates: readonly Rate[]): Rate {
  const median = (name: keyof Rate) =>
    rates.map((rate) => rate[name]).sort((first, second) => first - second)[Math.floor(rates.length / 2)] ?? Number.NaN;
  return { perSecond: median("perSecond"), p50Ms: median("p50Ms"), p99Ms: median("p99Ms") };
}

function report(medians: ReadonlyMap<string, Rate>, idleUs: number): Section {
  const seenMs = medians.get("a change, until another process sees it")?.p50Ms ?? Number.NaN;
  const rows = [...medians].map(([what, { perSecond, p50Ms, p99Ms }]) => [
    what,
    figure(perSecond),
    figure(p50Ms * 1000),
    figure(p99Ms * 1000),
  ]);
  return {
    text: table([["store", "a second", "p50 µs", "p99 µs"], ...rows]),
    goals: [
      {
        what: "a change of the store, until another process sees it, p50",
        wanted: `at most ${SEEN_MS_WANTED} ms`,
        reached: `${figure(seenMs)} ms; idle, that process uses ${figure(idleUs / 1000)} ms of processor a second`,
        pass: seenMs <= SEEN_MS_WANTED,
      },
    ],
    figures: { rates: Object.fromEntries(medians), idleUs },
    failures: [],
  };
}
