/** One body for several readers: whatever each of them does, the others get all of it or see that it is cut off. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ShareList } from "../../stdx/share_list.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { Broadcast } from "./broadcast.ts";
import type { Entry } from "./entry.ts";
import { Overflow } from "./overflow.ts";

const MB = 1024 * 1024;

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "isopod-overflow-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** A source that gives pieces when it is asked, and a broadcast of it. */
function broadcastOf(
  pieces: readonly Uint8Array[],
  { bytesMax = 8 * MB, roomBytes = 64 * MB, overflowBytes = 64 * MB, breaks = false } = {},
) {
  const room = new ShareList<Entry>({ bytesMax: roomBytes }, () => {});
  let [asked, cancelled] = [0, false];
  const source = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[asked];
        asked += 1;
        if (piece !== undefined) controller.enqueue(piece);
        else if (breaks) controller.error(new Error("broken off"));
        else controller.close();
      },
      cancel() {
        cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  let [whole, given]: [Uint8Array | undefined, number] = [undefined, 0];
  const end = {
    whole: (body: Uint8Array) => {
      whole = body;
    },
    given: () => {
      given += 1;
    },
  };
  const overflow = new Overflow({ directory, bytesMax: overflowBytes });
  const rooms = { reserve: (lost: () => void) => room.reserve("p", lost), overflow: () => overflow.file("p") };
  const broadcast = new Broadcast(source, bytesMax, rooms, end);
  return {
    ...{ broadcast, room, overflow },
    state: () => ({ asked, cancelled, whole, given, bytes: room.bytes }),
  };
}

const textOf = (body: ReadableStream<Uint8Array>) => new Response(body).text().catch(() => "cut off");
const opened = (broadcast: Broadcast) => {
  const reading = broadcast.open();
  if (reading === undefined) throw new Error("the beginning is gone");
  return reading;
};

test("is read as it is asked for, by whoever asks first, and once", async () => {
  const { broadcast, state } = broadcastOf(["a", "b", "c"].map((text) => new TextEncoder().encode(text)));
  const [one, two] = [opened(broadcast), opened(broadcast)];
  expect(state().asked).toBe(0);
  expect(await Promise.all([textOf(one.body), textOf(two.body)])).toEqual(["abc", "abc"]);
  expect(await textOf(opened(broadcast).body)).toBe("abc");
  expect(await one.ended).toEqual({ how: "whole", bytes: 3 });
  expect(state()).toMatchObject({ asked: 4, cancelled: false, given: 0, bytes: 0 });
  expect(new TextDecoder().decode(state().whole)).toBe("abc");
});

test("whoever hangs up, the others get all; when all do, the source ends and nothing is kept of it", async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const pieces = Array.from({ length: random.below(40) }, () =>
      new Uint8Array(random.below(5000)).fill(random.below(26) + 97),
    );
    const expected = new TextDecoder().decode(Buffer.concat(pieces));
    const { broadcast, state } = broadcastOf(pieces);
    const everybodyLeaves = random.below(4) === 0;
    const readers = Array.from({ length: 1 + random.below(6) }, async (_, index) => {
      for (let turns = random.below(10); turns > 0; turns -= 1) await Promise.resolve();
      const reading = broadcast.open();
      if (reading === undefined) return undefined;
      if (!everybodyLeaves && (index === 0 || random.below(2) === 0)) return textOf(reading.body);
      const reader = reading.body.getReader();
      for (let reads = random.below(5); reads > 0; reads -= 1) await reader.read();
      await reader.cancel();
      return undefined;
    });
    const texts = (await Promise.all(readers)).filter((text) => text !== undefined);
    for (const text of texts) expect(text).toBe(expected);
    const { whole, given, bytes, cancelled } = state();
    expect(bytes).toBe(0);
    if (texts.length > 0) expect(new TextDecoder().decode(whole)).toBe(expected);
    else if (whole === undefined && given === 1) expect(cancelled).toBe(true);
  }
});

test("what breaks off shows as broken off to all, and is not kept", async () => {
  const { broadcast, state } = broadcastOf([new Uint8Array(10)], { breaks: true });
  const all = [opened(broadcast), opened(broadcast)];
  expect(await Promise.all(all.map(({ body }) => textOf(body)))).toEqual(["cut off", "cut off"]);
  expect((await all[0]?.ended)?.how).toBe("failed");
  expect(broadcast.open()).toBeUndefined();
  expect(state()).toMatchObject({ whole: undefined, given: 1, bytes: 0 });
});

/** Pieces whose bytes tell where they stand. */
const numbered = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, at) => new Uint8Array(bytes).fill(at % 251));

test("what is too long goes on, without being held, and who is far behind has the rest from the disk", async () => {
  const pieces = numbered(100, 100_000);
  const { broadcast, state, overflow } = broadcastOf(pieces, { bytesMax: MB });
  const [fast, slow, gone] = [opened(broadcast), opened(broadcast), opened(broadcast)];
  const [reader, other] = [slow.body.getReader(), gone.body.getReader()];
  const first = await reader.read();
  await other.read();
  expect((await new Response(fast.body).bytes()).length).toBe(10_000_000);
  expect(state()).toMatchObject({ whole: undefined, given: 1, bytes: 0 });
  expect(overflow.bytes).toBeWithin(8_000_000, 10_000_000);
  // The files have no names: nothing is left of them by a kill.
  expect(readdirSync(directory)).toEqual([]);
  await other.cancel();
  const got = [first.value as Uint8Array];
  for (let next = await reader.read(); next.value !== undefined; next = await reader.read()) got.push(next.value);
  expect(Buffer.compare(Buffer.concat(got), Buffer.concat(pieces))).toBe(0);
  expect(await slow.ended).toEqual({ how: "whole", bytes: 10_000_000 });
  expect(overflow.bytes).toBe(0);
  expect(broadcast.open()).toBeUndefined();
});

test("where the disk has no room, who is too far behind is cut off, and only he", async () => {
  for (const overflowBytes of [0, 3 * MB]) {
    const { broadcast, overflow } = broadcastOf(numbered(100, 100_000), { bytesMax: MB, overflowBytes });
    const [fast, slow] = [opened(broadcast), opened(broadcast)];
    const reader = slow.body.getReader();
    await reader.read();
    expect((await new Response(fast.body).bytes()).length).toBe(10_000_000);
    expect((await slow.ended).how).toBe("too slow");
    await expect(reader.read()).rejects.toBeUndefined();
    expect(overflow.bytes).toBe(0);
  }
});

test("readers of any pace get the same, whoever leaves on the way, and nothing is left on the disk", async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const random = seededRandom(seed);
    const pieces = numbered(60, 20_000 + random.below(100_000));
    const { broadcast, overflow } = broadcastOf(pieces, { bytesMax: random.below(3) * MB });
    const readers = Array.from({ length: 2 + random.below(4) }, async (_, index) => {
      const leavesAt = index > 0 && random.below(3) === 0 ? random.below(60) : Number.POSITIVE_INFINITY;
      const pause = index === 0 ? 0 : random.below(20);
      const reader = opened(broadcast).body.getReader();
      const got: Uint8Array[] = [];
      for (let reads = 0; ; reads += 1) {
        if (reads >= leavesAt) return void (await reader.cancel());
        for (let turn = 0; turn < pause; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        const { value, done } = await reader.read();
        if (done) break;
        got.push(value);
      }
      return Bun.hash(Buffer.concat(got));
    });
    const hashes = (await Promise.all(readers)).filter((hash) => hash !== undefined);
    expect(new Set(hashes)).toEqual(new Set([Bun.hash(Buffer.concat(pieces))]));
    expect(overflow.bytes).toBe(0);
  }
});

test("many small pieces are counted for what they take", async () => {
  const pieces = Array.from({ length: 20_000 }, () => new Uint8Array(1));
  const { broadcast, state } = broadcastOf(pieces, { bytesMax: MB });
  expect((await new Response(opened(broadcast).body).bytes()).length).toBe(20_000);
  expect(state()).toMatchObject({ whole: undefined, given: 1, bytes: 0 });
});

test("where the room is lost it goes on without being kept", async () => {
  const pieces = Array.from({ length: 10 }, () => new Uint8Array(100_000));
  const { broadcast, state, room } = broadcastOf(pieces, { roomBytes: MB });
  const other = room.reserve("q", () => {});
  expect(other.grow(400_000)).toBe(true);
  expect((await new Response(opened(broadcast).body).bytes()).length).toBe(1_000_000);
  expect(state()).toMatchObject({ whole: undefined, given: 1 });
  expect(other.grow(1)).toBe(true);
  other.end();
  expect(room.bytes).toBe(0);
});
