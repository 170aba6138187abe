/** One body for several readers: whatever each of them does, the others get all of it or see that it is cut off. */
import { expect, test } from "bun:test";
import { ShareList } from "../../stdx/share_list.ts";
import { seededRandom } from "../../testing/seeded_random.ts";
import { Broadcast } from "./broadcast.ts";
import type { Entry } from "./entry.ts";

const MB = 1024 * 1024;

/** A source that gives pieces when it is asked, and a broadcast of it. */
function broadcastOf(pieces: readonly Uint8Array[], { bytesMax = 8 * MB, roomBytes = 64 * MB, breaks = false } = {}) {
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
  const broadcast = new Broadcast(source, bytesMax, (lost) => room.reserve("p", lost), end);
  return {
    ...{ broadcast, room },
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

test("what is too long goes on, without being held, and cuts off who is too far behind", async () => {
  const pieces = Array.from({ length: 100 }, () => new Uint8Array(100_000));
  const { broadcast, state } = broadcastOf(pieces, { bytesMax: MB });
  const [fast, slow] = [opened(broadcast), opened(broadcast)];
  const reader = slow.body.getReader();
  await reader.read();
  expect((await new Response(fast.body).bytes()).length).toBe(10_000_000);
  expect((await slow.ended).how).toBe("too slow");
  await expect(reader.read()).rejects.toBeUndefined();
  expect(state()).toMatchObject({ whole: undefined, given: 1, bytes: 0 });
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
