/** What a hostile guest sends in masses: the host keeps little of it, in bounded time, and bills it to whom it is of. */
import { expect, test } from "bun:test";
import type { IsopodError } from "../core/errors.ts";
import type { InvocationResponse } from "../core/invocation.ts";
import { encodeFrame } from "../testing/fake_guest.ts";
import { InstanceRig, turns } from "../testing/instance_rig.ts";
import { PEER_STREAMS_MAX } from "../wire/connection.ts";
import { FRAME } from "../wire/frame.ts";

const MB = 1024 * 1024;
const OK = { s: 200, h: [] };
const CALL = { n: "egress", i: 1, m: "GET", u: "http://a/", h: [] };

/** `frame` so often that it fills about `bytes`. */
function flood(frame: Uint8Array, bytes: number): Uint8Array {
  const count = Math.floor(bytes / frame.length);
  const all = new Uint8Array(count * frame.length);
  for (let at = 0; at < all.length; at += frame.length) all.set(frame, at);
  return all;
}

/** Memory of this process that is in use, in bytes. */
function used(): number {
  Bun.gc(true);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("a million tiny frames in one chunk are taken in time and leave nothing behind", async () => {
  const rig = await InstanceRig.loaded();
  const { outcome, invocation } = rig.invoke();
  rig.guest.frame(FRAME.head, 1, OK);
  await outcome;
  const empty = flood(encodeFrame(FRAME.data, 1), 9 * MB);
  const before = used();
  const startedAt = performance.now();
  rig.guest.say(empty);
  await turns();
  expect(performance.now() - startedAt).toBeLessThan(3000);
  expect(invocation.waitingBytes).toBe(0);
  expect(used() - before).toBeLessThan(4 * MB);
  expect(rig.instance.alive).toBe(true);
});

test("an answer in single bytes costs what it weighs, and ends the instance beyond its credit", async () => {
  const rig = await InstanceRig.loaded();
  const { outcome, invocation } = rig.invoke();
  rig.guest.frame(FRAME.head, 1, OK);
  await outcome;
  const one = encodeFrame(FRAME.data, 1, "x");
  const before = used();
  // Each byte in a chunk of its own, with a frame that is dropped: what is kept must not keep the chunk.
  const dropped = encodeFrame(FRAME.ready, 99, new Uint8Array(60_000));
  for (let count = 0; count < 300; count += 1) rig.guest.say(Buffer.concat([one, dropped]));
  rig.guest.say(flood(one, one.length * 250_000));
  await turns();
  expect(invocation.waitingBytes).toBe(250_300);
  expect(used() - before).toBeLessThan(8 * MB);
  rig.guest.say(flood(encodeFrame(FRAME.data, 1, new Uint8Array(MB)), 3 * MB));
  expect((await rig.instance.ended).code).toBe("protocol_error");
});

test("a flood of log lines ends at the limit of its invocation; one of nobody's is dropped and said once", async () => {
  const rig = await InstanceRig.loaded();
  const { outcome, lines, invocation } = rig.invoke({}, { logBytesMax: 10_000 });
  const line = encodeFrame(FRAME.log, 1, "i");
  const stranger = encodeFrame(FRAME.log, 77, `i${"x".repeat(1000)}`);
  rig.guest.say(flood(stranger, 5 * MB));
  await turns();
  expect(invocation.over).toBe(false);
  expect(lines.length).toBe(0);
  expect(rig.reports.length).toBeLessThan(1200);
  expect(rig.reports.filter(({ text }) => text.includes("dropped")).length).toBe(1);
  rig.guest.say(flood(line, line.length * 20_000));
  const error = (await outcome) as IsopodError;
  expect([error.code, error.details.limit]).toEqual(["log_limit", { name: "logBytesMax", value: 10_000 }]);
  expect(lines.length).toBe(10_000);
});

test("calls of another invocation that is over, of a binding that is none, or of nobody reach no binding", async () => {
  const rig = await InstanceRig.loaded();
  const { invocation, outcome } = rig.invoke();
  rig.guest.frame(FRAME.head, 1, OK);
  rig.guest.frame(FRAME.end, 1);
  await outcome;
  expect(invocation.over).toBe(true);
  rig.invoke();
  const heads = [
    CALL,
    { ...CALL, i: 5 },
    { ...CALL, i: -1 },
    { ...CALL, i: 1e300 },
    { ...CALL, i: 3, n: "__proto__" },
    { ...CALL, i: 3, n: "x".repeat(10_000) },
  ];
  for (const [at, head] of heads.entries()) rig.guest.frame(FRAME.head, 2 + 2 * at, head);
  await turns();
  expect(rig.binding.calls).toEqual([]);
  for (const at of heads.keys()) expect(rig.guest.sentOn(2 + 2 * at)).toEqual([FRAME.reset]);
  rig.guest.frame(FRAME.head, 14, { ...CALL, i: 3 });
  await turns();
  expect(rig.binding.calls.map(({ requestId }) => requestId)).toEqual(["r2"]);
  expect(rig.instance.alive).toBe(true);
});

test("a guest may have so many calls open and no more", async () => {
  const rig = await InstanceRig.loaded();
  const { outcome } = rig.invoke();
  for (let count = 0; count < PEER_STREAMS_MAX.host; count += 1) rig.guest.frame(FRAME.head, 2 + 2 * count, CALL);
  await turns();
  expect(rig.instance.alive).toBe(true);
  expect(rig.binding.calls.length).toBe(PEER_STREAMS_MAX.host);
  rig.guest.frame(FRAME.head, 2 + 2 * PEER_STREAMS_MAX.host, CALL);
  expect(((await outcome) as IsopodError).code).toBe("protocol_error");
  expect(rig.binding.calls.every(({ signal }) => signal.aborted)).toBe(true);
});

test("a call ends with its invocation, on the wire too, though the guest goes on sending its body", async () => {
  const rig = await InstanceRig.loaded();
  const { invocation } = rig.invoke();
  rig.guest.frame(FRAME.head, 2, { ...CALL, b: 1 });
  rig.guest.frame(FRAME.data, 2, new Uint8Array(50_000));
  await turns();
  invocation.reset(new Uint8Array(0));
  await turns();
  expect(rig.binding.calls[0]?.signal.aborted).toBe(true);
  expect(rig.guest.sentOn(2)).toEqual([FRAME.reset]);
  rig.guest.frame(FRAME.data, 2, new Uint8Array(50_000));
  await turns();
  expect(rig.instance.alive).toBe(true);
});

test("an answer that does not wait for the request's body closes the stream, so that nothing piles up", async () => {
  const rig = await InstanceRig.loaded();
  const { outcome } = rig.invoke({ body: new ReadableStream({ pull: () => new Promise(() => {}) }) });
  rig.guest.frame(FRAME.head, 1, OK);
  rig.guest.frame(FRAME.end, 1);
  expect(((await outcome) as InvocationResponse).status).toBe(200);
  await turns();
  expect(rig.guest.sentOn(1)).toEqual([FRAME.head, FRAME.reset]);
});
