/** What a store is after its process was killed in the middle of writing, and on a disk that is full. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../../core/store.ts";
import { hashOf } from "../../stdx/hash.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { StoreChild } from "../../testing/store_child.ts";
import { type FillReport, isWhole, type Told } from "../../testing/store_process.ts";
import { openSqliteStore } from "./store.ts";

const KILLS = 100;
const LANES = 2;
const TOLD_MAX = 60;
const TEST_MS_MAX = 60_000;

/** Starts a writer, kills it at some moment, and returns all that it has told. */
async function killedWriter(directory: string, seed: number): Promise<Told[]> {
  await using child = new StoreChild("write", directory, seed);
  const told: Told[] = [];
  const enough = 1 + seededRandom(seed).below(TOLD_MAX);
  while (told.length < enough) {
    const line = await child.line();
    if (line === undefined) throw new Error("The writer has ended by itself");
    told.push(line as Told);
  }
  await child.kill();
  return [...told, ...((await child.rest()) as Told[])];
}

/** What may stand, from what writers have told: of a key the hash of its value, or `absent`. */
class Expected {
  #keys = new Map<string, Set<string>>();
  #blobs = new Set<string>();

  /** A write that was asked for may have been made; one that was acknowledged has. */
  add(told: Told): void {
    if (told.type === "blob") {
      this.#blobs.add(told.hash);
      return;
    }
    const before = told.type === "made" ? [] : (this.#keys.get(told.name) ?? ["absent"]);
    this.#keys.set(told.name, new Set([...before, told.hash ?? "absent"]));
  }

  /** Compares with what does stand, which is known from then on. */
  async check(store: Store): Promise<void> {
    const entries = await store.list(["k"]);
    for (const { key, value } of entries) expect([key, isWhole(value)]).toEqual([key, true]);
    const found = new Map(entries.map(({ key, value }) => [key[1], hashOf(value)]));
    for (const [name, possible] of this.#keys) {
      const standing = found.get(name) ?? "absent";
      if (!possible.has(standing)) throw new Error(`Key ${name} is ${standing}, and not of ${[...possible].join()}`);
      this.#keys.set(name, new Set([standing]));
      found.delete(name);
    }
    expect([...found.keys()]).toEqual([]);
    for (const hash of this.#blobs) expect([hash, await store.blobs.head(hash)]).not.toEqual([hash, undefined]);
    for await (const { hash } of store.blobs.list()) await store.blobs.read(hash);
  }
}

async function killAgainAndAgain(lane: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-store-"));
  const expected = new Expected();
  let acknowledged = 0;
  try {
    for (let kill = 0; kill < KILLS / LANES; kill += 1) {
      const told = await killedWriter(directory, 1 + kill * LANES + lane);
      acknowledged += told.filter(({ type }) => type !== "asked").length;
      for (const line of told) expected.add(line);
      const store = openSqliteStore({ directory });
      try {
        await expected.check(store);
        if (kill % 10 === 9) await store.compact(Number.MAX_SAFE_INTEGER);
      } finally {
        await store.close();
      }
    }
    return acknowledged;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test(
  `${KILLS} kills in the middle of writes lose nothing that was acknowledged, and leave nothing half`,
  async () => {
    const acknowledged = await Promise.all(Array.from({ length: LANES }, (_, lane) => killAgainAndAgain(lane)));
    expect(acknowledged.reduce((sum, count) => sum + count)).toBeGreaterThan(KILLS);
  },
  TEST_MS_MAX,
);

/** A command that gives its child a small disk at `$1`, which ends with the child. */
function smallDisk(directory: string): string[] {
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const script = 'mount -t tmpfs -o size=3m,mode=700 isopod "$0" && exec "$@"';
  return ["unshare", ...user, "--mount", "sh", "-c", script, directory];
}

const trial = mkdtempSync(join(tmpdir(), "isopod-disk-"));
const cannotMount = Bun.spawnSync([...smallDisk(trial), "true"]).exitCode !== 0;
rmSync(trial, { recursive: true });

test.skipIf(cannotMount)(
  `a full disk refuses by name and loses nothing${cannotMount ? " (skipped: this user cannot mount)" : ""}`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "isopod-store-"));
    try {
      await using child = new StoreChild("fill", directory, 5, smallDisk(directory));
      const report = (await child.line()) as FillReport;
      expect(report).toMatchObject({ refusals: ["storage_full"], lost: [], drafts: 0 });
      expect(report.acknowledged).toBeGreaterThan(10);
      expect(report.blobs).toBeGreaterThan(10);
      expect(report.beside).toBeGreaterThan(0);
      expect(await child.exited).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  TEST_MS_MAX,
);

test(
  "a disk that fails in the middle of a commit leaves it open, and loses nothing that was acknowledged",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "isopod-store-"));
    try {
      // Writes beyond 2 MiB of a file fail, with another error than that of a full disk.
      const prefix = ["sh", "-c", 'trap "" XFSZ; ulimit -f 4096; exec "$@"', "sh"];
      await using child = new StoreChild("fill", directory, 6, prefix);
      const report = (await child.line()) as FillReport;
      expect(report).toMatchObject({ refusals: ["Indeterminate"], lost: [], drafts: 0 });
      expect(report.acknowledged).toBeGreaterThan(10);
      expect(await child.exited).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  TEST_MS_MAX,
);
