/** What a queue holds after its process was killed: every message that was acknowledged, and none that was done. */
import { expect, test } from "bun:test";
import { killWriters } from "../testing/killed_writers.ts";
import { openQueueStore, QUEUE_WRITER } from "../testing/queue_process.ts";
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
