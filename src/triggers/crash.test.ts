/**
 * What queues hold and schedules have done after their process was killed: every message that was acknowledged and none that
 * was done; each time once, or told as missed.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killWriters } from "../testing/killed_writers.ts";
import { openQueueStore, QUEUE_WRITER } from "../testing/queue_process.ts";
import { EVERY_SECOND, openScheduler, SCHEDULE_KEEPER, type ToldSecond } from "../testing/schedule_process.ts";
import { seededRandom } from "../testing/seeded_random.ts";
import { StoreChild } from "../testing/store_child.ts";
import { Messages } from "./messages.ts";

const KILLS = 100;

async function check(directory: string, possible: Map<string, Set<string | null>>): Promise<void> {
  const store = openQueueStore(directory);
  try {
    const messages = new Messages(store, "queues");
    const held = new Set<string>();
    for await (const page of messages.pages("p", "q")) for (const { body } of page) held.add(body);
    for (const [key, texts] of possible) {
      const text = held.has(key) ? key : null;
      if (!texts.has(text)) throw new Error(`${key} is ${text === null ? "lost" : "there again"}`);
      possible.set(key, new Set([text]));
      held.delete(key);
    }
    expect([...held]).toEqual([]);
    for await (const page of messages.pages("p", "q"))
      await Promise.all(page.map((message) => messages.remove("p", "q", message)));
    possible.clear();
  } finally {
    await store.close();
  }
}

test(`${KILLS} kills lose no message that was acknowledged, and bring none back that was done`, async () => {
  expect(await killWriters({ kills: KILLS, lanes: 2, program: QUEUE_WRITER, check })).toBeGreaterThan(KILLS);
}, 120_000);

test(`${KILLS} kills run no time of a schedule twice, and what nobody ran is counted`, async () => {
  const directory = mkdtempSync(join(tmpdir(), "isopod-schedules-"));
  const random = seededRandom(7);
  const ran = new Map<number, number>();
  let now = 0;
  try {
    for (let kill = 0; kill < KILLS; kill += 1) {
      // The clock of a server that starts may be behind, and some time may have gone by.
      const from = Math.max(0, now + random.below(8) - 2);
      await using child = new StoreChild("keep", directory, from, [], SCHEDULE_KEEPER);
      const told: ToldSecond[] = [];
      for (let left = 1 + random.below(20); left > 0; left -= 1) told.push((await child.line()) as ToldSecond);
      await child.kill();
      told.push(...((await child.rest()) as ToldSecond[]));
      for (const each of told) {
        if ("run" in each) ran.set(each.run, (ran.get(each.run) ?? 0) + 1);
        else now = Math.max(now, each.second);
      }
    }
    expect([...ran].filter(([, count]) => count > 1)).toEqual([]);
    expect(ran.size).toBeGreaterThan(KILLS);
    const { scheduler, store } = await openScheduler(directory, now + 1, () => {});
    await scheduler.replace([EVERY_SECOND]);
    const [view] = await scheduler.views("p");
    await scheduler.close(0);
    await store.close();
    // Each second from the first on has run or was missed. Of runs that died while others may go on, none is counted.
    const { runs = 0, missed = 0, skipped = 0 } = view ?? {};
    expect(skipped).toBe(0);
    expect(missed).toBeGreaterThan(0);
    expect(runs).toBeWithin(ran.size - KILLS, ran.size + 1);
    const seconds = Array.from({ length: now }, (_, at) => at + 1);
    const unseen = seconds.filter((second) => !ran.has(second)).length;
    // A time that was claimed by a process that was killed before it could tell of it is neither here nor missed.
    expect(missed).toBeWithin(unseen - KILLS, unseen + 3);
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 120_000);
