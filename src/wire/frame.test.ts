/** The codec under random splits, random garbage and random truncation: frames or a WireError, in bounded memory. */
import { expect, test } from "bun:test";
import { cut, type SeededRandom, seededRandom } from "../testing/seeded_random.ts";
import { FRAME, FrameDecoder, type FrameType, GUEST_ACCEPTS, HEADER_BYTES, HOST_ACCEPTS, WireError } from "./frame.ts";
import { FrameBuffer } from "./frame_buffer.ts";

interface Frame {
  readonly type: FrameType;
  readonly stream: number;
  readonly payload: Uint8Array;
}

const TYPES = Object.values(FRAME);
const STREAMS = [0, 1, 2, 255, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

function randomFrame(random: SeededRandom): Frame {
  const type = random.pick(TYPES.filter((each) => (HOST_ACCEPTS[each] as number) >= 0));
  const longest = Math.min(HOST_ACCEPTS[type] as number, random.pick([0, 1, 40, 3000]));
  return { type, stream: random.pick(STREAMS), payload: random.bytes(random.below(longest + 1)) };
}

function encode(frames: readonly Frame[]): Uint8Array {
  const buffer = new FrameBuffer(16);
  for (const { type, stream, payload } of frames) buffer.frame(type, stream, payload);
  return buffer.take().slice();
}

function header(length: number, type: number, stream: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint8(4, type);
  view.setUint32(5, stream, true);
  return bytes;
}

/** What comes out, until the end or the first error. */
function decode(
  chunks: readonly Uint8Array[],
  accepts = HOST_ACCEPTS,
): { frames: Frame[]; error: unknown; boundary: boolean } {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(accepts, (type, stream, payload) =>
    frames.push({ type, stream, payload: payload.slice() }),
  );
  try {
    for (const chunk of chunks) decoder.push(chunk);
    return { frames, error: undefined, boundary: decoder.atBoundary };
  } catch (error) {
    return { frames, error, boundary: false };
  }
}

test("any split of any frames decodes to the same frames", () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = seededRandom(seed);
    const frames = Array.from({ length: 1 + random.below(20) }, () => randomFrame(random));
    const {
      frames: decoded,
      error,
      boundary,
    } = decode(cut(random, encode(frames), random.pick([1, 2, 8, 10, 1000, 70_000])));
    expect(error, `seed ${seed}`).toBeUndefined();
    expect(boundary, `seed ${seed}`).toBe(true);
    expect(decoded, `seed ${seed}`).toEqual(frames);
  }
});

test("a cut stream gives the whole frames before the cut and says that it is inside one", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const frames = Array.from({ length: 1 + random.below(8) }, () => randomFrame(random));
    const bytes = encode(frames);
    const end = random.below(bytes.length);
    const { frames: decoded, error, boundary } = decode(cut(random, bytes.slice(0, end), 50));
    expect(error, `seed ${seed}`).toBeUndefined();
    expect(decoded, `seed ${seed}`).toEqual(frames.slice(0, decoded.length));
    const taken = encode(frames.slice(0, decoded.length)).length;
    expect(boundary, `seed ${seed}`).toBe(taken === end);
    expect(taken).toBeLessThanOrEqual(end);
  }
});

test("garbage gives frames or a WireError, and no split changes which", () => {
  let errors = 0;
  for (let seed = 1; seed <= 1500; seed += 1) {
    const random = seededRandom(seed);
    const bytes = random.bytes(random.below(300));
    // Small lengths and known types among the noise, so that it gets past the first header.
    for (let at = 0; at + HEADER_BYTES < bytes.length; at += HEADER_BYTES + random.below(4)) {
      bytes.set(header(random.below(12), random.below(14), random.pick(STREAMS)), at);
    }
    const whole = decode([bytes]);
    const split = decode(cut(random, bytes, 7));
    expect(split.frames, `seed ${seed}`).toEqual(whole.frames);
    for (const { error } of [whole, split])
      if (error !== undefined) expect(error, `seed ${seed}`).toBeInstanceOf(WireError);
    expect(split.error === undefined, `seed ${seed}`).toBe(whole.error === undefined);
    if (whole.error !== undefined) errors += 1;
  }
  expect(errors).toBeGreaterThan(500);
});

test("every type has its own limit on both sides, and one byte more is refused before it is read", () => {
  for (const accepts of [HOST_ACCEPTS, GUEST_ACCEPTS]) {
    for (const type of TYPES) {
      const limit = accepts[type] as number;
      if (limit < 0) {
        expect(decode([header(0, type, 1)], accepts).error).toBeInstanceOf(WireError);
        continue;
      }
      expect(decode([header(limit, type, 1), new Uint8Array(limit)], accepts).frames.length).toBe(1);
      expect(decode([header(limit + 1, type, 1)], accepts).error).toBeInstanceOf(WireError);
      expect(decode([header(0xffff_ffff, type, 1)], accepts).error).toBeInstanceOf(WireError);
    }
  }
  for (const type of [0, 12, 13, 127, 255]) expect(decode([header(0, type, 1)]).error).toBeInstanceOf(WireError);
});

test("a host reserves no more than the largest frame it accepts, whatever is announced and never sent", () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 64 }, () => new FrameDecoder(HOST_ACCEPTS, () => {}));
  const limit = HOST_ACCEPTS[FRAME.data] as number;
  for (const decoder of decoders) {
    decoder.push(header(limit, FRAME.data, 2));
    for (let sent = 0; sent < 1000; sent += 1) decoder.push(new Uint8Array(64));
  }
  const held = process.memoryUsage().arrayBuffers - before;
  expect(decoders.every((decoder) => !decoder.atBoundary)).toBe(true);
  expect(held).toBeLessThan(64 * (limit + 256 * 1024));
});

test("a million tiny frames in one chunk are read in time", () => {
  const count = 1_000_000;
  const bytes = new Uint8Array(count * HEADER_BYTES);
  const one = header(0, FRAME.data, 2);
  for (let at = 0; at < bytes.length; at += HEADER_BYTES) bytes.set(one, at);
  let seen = 0;
  const startedAt = performance.now();
  new FrameDecoder(HOST_ACCEPTS, () => {
    seen += 1;
  }).push(bytes);
  expect(seen).toBe(count);
  expect(performance.now() - startedAt).toBeLessThan(2000);
});

test("texts are encoded in place, whatever they hold, and the buffer gives back what one large frame grew", () => {
  const buffer = new FrameBuffer(8);
  const texts = ["", "a", "ü✓😀", "\ud800 alone", "x".repeat(3_000_000)];
  for (const text of texts) expect(buffer.text(FRAME.load, 7, text)).toBe(new TextEncoder().encode(text).length);
  const { frames } = decode([buffer.take().slice()], GUEST_ACCEPTS);
  expect(frames.map(({ payload }) => new TextDecoder().decode(payload))).toEqual(
    texts.map((text) => text.replace("\ud800", "\ufffd")),
  );
  expect(buffer.length).toBe(0);
  buffer.u32(FRAME.credit, 3, 0xffff_fffe);
  expect(buffer.take().buffer.byteLength).toBe(64 * 1024);
});
