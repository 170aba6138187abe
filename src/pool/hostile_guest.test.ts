/** An instance whose guest is hostile: whatever it sends ends itself at most, tells no details, and costs no memory. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { errorBody, IsopodError, toIsopodError } from "../core/errors.ts";
import type { InvocationResponse } from "../core/invocation.ts";
import { encodeFrame } from "../testing/fake_guest.ts";
import { InstanceRig as Rig, type Started, turns } from "../testing/instance_rig.ts";
import { seededRandom } from "../testing/seeded_random.ts";
import { FRAME } from "../wire/frame.ts";
import { WINDOW_BYTES } from "../wire/stream.ts";

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);

beforeEach(() => void process.on("unhandledRejection", onUnhandled));
afterEach(async () => {
  await turns();
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled.splice(0)).toEqual([]);
});

const OK = { s: 200, h: [] };
const CALL = { n: "egress", i: 1, m: "GET", u: "http://a/", h: [] };

async function expectBroken(rig: Rig, started: Started): Promise<void> {
  const error = (await started.outcome) as IsopodError;
  expect(error).toBeInstanceOf(IsopodError);
  expect(error.code).toBe("protocol_error");
  expect(error.status).toBe(500);
  expect(Object.keys(errorBody(error, "r"))).toEqual(["code", "message", "request_id"]);
  expect(errorBody(error, "r").message).not.toContain("Cannot");
  expect(rig.guest.killed).toBe(true);
  expect(rig.instance.alive).toBe(false);
  expect(rig.instance.invocations.size).toBe(0);
}

describe("before it is anything", () => {
  test.each([
    ["garbage", new Uint8Array(64).fill(0xee)],
    ["ready", encodeFrame(FRAME.ready, 0, {})],
    ["a pong", encodeFrame(FRAME.pong, 0)],
    ["a call", encodeFrame(FRAME.head, 2, CALL)],
    ["a head of an invocation", encodeFrame(FRAME.head, 1, OK)],
    ["a load", encodeFrame(FRAME.load, 0)],
    ["hello twice", Buffer.concat([encodeFrame(FRAME.hello, 0), encodeFrame(FRAME.hello, 0)])],
  ])("%s instead of one hello ends the start", async (_name, bytes) => {
    const rig = new Rig();
    const prepared = rig.instance.prepare().catch(toIsopodError);
    rig.guest.say(bytes);
    await prepared;
    await rig.instance.ended;
    expect(rig.guest.killed).toBe(true);
  });

  test("hello before the host has said its own ends it", async () => {
    const rig = new Rig();
    rig.guest.frame(FRAME.hello, 0);
    expect((await rig.instance.ended).code).toBe("protocol_error");
  });

  test("ready before the load, and ready twice, end it; ready with hostile JSON fails the load", async () => {
    const early = new Rig();
    const prepared = early.instance.prepare();
    early.guest.frame(FRAME.hello, 0);
    await prepared;
    early.guest.frame(FRAME.ready, 0, {});
    expect((await early.instance.ended).code).toBe("protocol_error");
    const twice = await Rig.loaded();
    twice.guest.frame(FRAME.ready, 0, {});
    expect((await twice.instance.ended).code).toBe("protocol_error");
    for (const text of [
      "",
      "null",
      "5",
      "[",
      '{"error":null}',
      '{"error":1}',
      '{"error":"x"}',
      `{"error":${"[".repeat(30_000)}}`,
    ]) {
      const rig = new Rig();
      const waiting = rig.instance.prepare();
      rig.guest.frame(FRAME.hello, 0);
      await waiting;
      const loaded = rig.load().then(
        () => "loaded",
        (error) => toIsopodError(error).code,
      );
      rig.guest.frame(FRAME.ready, 0, text);
      expect(await Promise.race([loaded, rig.instance.ended.then(() => loaded)]), text.slice(0, 20)).toBe(
        text === "5" ? "loaded" : "protocol_error",
      );
      rig.instance.end(new IsopodError("draining"));
    }
  });
});

describe("in the middle of an invocation", () => {
  const breaks: Record<string, Uint8Array> = {
    garbage: seededRandom(1).bytes(4000).fill(0xff, 0, 9),
    "a second hello": encodeFrame(FRAME.hello, 0),
    "a pong without a ping": encodeFrame(FRAME.pong, 0),
    "a ping": encodeFrame(FRAME.ping, 0),
    "an empty log": encodeFrame(FRAME.log, 1),
    "a frame that is too long": Uint8Array.of(255, 255, 255, 127, FRAME.data, 1, 0, 0, 0),
    "data without a head": encodeFrame(FRAME.data, 1, "x"),
    "an end without a head": encodeFrame(FRAME.end, 1),
    "a head that is no JSON": encodeFrame(FRAME.head, 1, "{"),
    "a head with a status of 0": encodeFrame(FRAME.head, 1, { s: 0, h: [] }),
    "a head that splits a header": encodeFrame(FRAME.head, 1, { s: 200, h: [["a", "b\r\nc: d"]] }),
    "status 101 without a socket": encodeFrame(FRAME.head, 1, { s: 101, h: [] }),
    "a reset that is no JSON": encodeFrame(FRAME.reset, 1, "{"),
    "a reset that is no object": encodeFrame(FRAME.reset, 1, "null"),
    "credit that was never used": encodeFrame(FRAME.credit, 1, Uint8Array.of(255, 255, 255, 255)),
    "an answer to nobody": encodeFrame(FRAME.head, 3, OK),
    "a call without a name": encodeFrame(FRAME.head, 2, { ...CALL, n: 1 }),
    "a call with a method that is none": encodeFrame(FRAME.head, 2, { ...CALL, m: "GET / HTTP/1.1\r\n" }),
    "a call on a stream that is not the next": encodeFrame(FRAME.head, 4, CALL),
    "a call on stream 0": encodeFrame(FRAME.head, 0, CALL),
    "a call that is over its credit": Buffer.concat([
      encodeFrame(FRAME.head, 2, { ...CALL, b: 1 }),
      ...Array<Uint8Array>(6).fill(encodeFrame(FRAME.data, 2, new Uint8Array(WINDOW_BYTES / 4))),
    ]),
  };
  test.each(Object.entries(breaks))("%s ends it and all that runs in it, without details", async (_name, bytes) => {
    const rig = await Rig.loaded();
    const [first, second] = [rig.invoke(), rig.invoke()];
    const third = (await Rig.loaded()).invoke();
    rig.guest.say(bytes);
    if (_name === "an answer to nobody") rig.guest.frame(FRAME.head, 5, OK);
    await expectBroken(rig, first);
    await first.invocation.answered.promise.catch(() => {});
    expect(second.invocation.over).toBe(true);
    expect(third.invocation.over).toBe(false);
  });

  test("a second head cuts the answer off that had begun", async () => {
    const rig = await Rig.loaded();
    const { outcome } = rig.invoke();
    rig.guest.frame(FRAME.head, 1, OK);
    const response = (await outcome) as InvocationResponse;
    const read = new Response(response.body as ReadableStream<Uint8Array>).text().then(
      () => "complete",
      () => "cut off",
    );
    rig.guest.frame(FRAME.head, 1, OK);
    expect((await response.ended).error?.code).toBe("protocol_error");
    expect(await read).toBe("cut off");
  });

  test("status 101 for a request that asked for none is the program's mistake, and its alone", async () => {
    const rig = await Rig.loaded();
    const [first, second] = [rig.invoke(), rig.invoke()];
    rig.guest.frame(FRAME.head, 1, { s: 101, h: [], ws: 1 });
    expect(((await first.outcome) as IsopodError).code).toBe("invalid_result");
    expect(second.invocation.over).toBe(false);
    expect(rig.instance.alive).toBe(true);
  });

  test("a reset may blame the program only", async () => {
    const rig = await Rig.loaded();
    for (const code of ["internal", "overloaded", "client_gone", "__proto__", "", 7]) {
      const { outcome, invocation } = rig.invoke();
      rig.guest.frame(FRAME.reset, invocation.streamId, {
        code,
        message: "m",
        limit: { name: "x", value: 1 },
        retryAfterSeconds: 9,
      });
      const error = (await outcome) as IsopodError;
      expect(error.code).toBe("program_ended");
      expect(error.details.limit).toBeUndefined();
    }
    expect(rig.instance.alive).toBe(true);
  });

  test("messages that follow the acceptance of a socket in the same chunk are not lost", async () => {
    const rig = await Rig.loaded();
    const { outcome } = rig.invoke({ webSocket: true });
    rig.guest.say(
      Buffer.concat([encodeFrame(FRAME.head, 1, { s: 101, h: [], ws: 1 }), encodeFrame(FRAME.data, 1, "\u0001hi")]),
    );
    const { socket } = (await outcome) as InvocationResponse;
    const messages: unknown[] = [];
    socket?.listen({ message: (message) => messages.push(message), close() {}, writable() {} });
    expect(messages).toEqual(["hi"]);
    rig.guest.frame(FRAME.data, 1, "\u0007");
    expect((await rig.instance.ended).code).toBe("protocol_error");
  });

  test("a head that never ends is held in little, and ends with its invocation", async () => {
    const rig = await Rig.loaded();
    const { invocation, outcome } = rig.invoke();
    rig.guest.say(Uint8Array.of(0, 0, 4, 0, FRAME.head, 1, 0, 0, 0));
    for (let sent = 0; sent < 1000; sent += 1) rig.guest.say(Uint8Array.of(0x20));
    await turns();
    invocation.fail(new IsopodError("wall_limit"));
    expect(((await outcome) as IsopodError).code).toBe("wall_limit");
    rig.instance.end(new IsopodError("draining"));
  });
});
