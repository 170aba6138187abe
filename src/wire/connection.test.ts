/** The state machine of streams: what each side may send when, and that everything else is a WireError. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../testing/seeded_random.ts";
import { Connection, PEER_STREAMS_MAX } from "./connection.ts";
import { FRAME, FrameDecoder, type FrameType, GUEST_ACCEPTS, HOST_ACCEPTS, WireError } from "./frame.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import { type StreamEvents, WINDOW_BYTES, type WireStream } from "./stream.ts";

type Side = "host" | "guest";

/** One end with a peer that is played by hand, and everything that it tells and writes. */
class Rig {
  readonly told: string[] = [];
  readonly writes: Uint8Array[] = [];
  readonly streams: WireStream[] = [];
  readonly connection: Connection;
  #deferred: (() => void)[] = [];

  constructor(side: Side, refuse = false) {
    this.connection = new Connection({
      side,
      accepts: side === "host" ? HOST_ACCEPTS : GUEST_ACCEPTS,
      events: {
        frame: (type, id) => this.told.push(`frame ${type} ${id}`),
        open: (stream) => {
          this.told.push(`open ${stream.id}`);
          this.streams.push(stream);
          return refuse ? undefined : this.events(stream.id);
        },
      },
      write: (bytes) => this.writes.push(bytes.slice()),
      defer: (callback) => this.#deferred.push(callback),
    });
  }

  events(id: number): StreamEvents {
    const tell = (what: string) => (payload?: Uint8Array) =>
      void this.told.push(`${what} ${id}${payload?.length ? ` ${payload.length}` : ""}`);
    return {
      head: tell("head"),
      data: tell("data"),
      end: tell("end"),
      reset: tell("reset"),
      writable: tell("writable"),
    };
  }

  open(flow: "credit" | "pipe" = "credit"): WireStream {
    const next = this.streams.length;
    const stream = this.connection.open("{}", this.events(next), flow);
    this.streams.push(stream);
    return stream;
  }

  send(type: FrameType, stream: number, payload: Uint8Array | number = 0): void {
    const buffer = new FrameBuffer();
    if (typeof payload === "number") buffer.frame(type, stream, new Uint8Array(payload));
    else buffer.frame(type, stream, payload);
    this.connection.receive(buffer.take());
  }

  credit(stream: number, bytes: number): void {
    const buffer = new FrameBuffer();
    buffer.u32(FRAME.credit, stream, bytes);
    this.connection.receive(buffer.take());
  }

  /** The end of a turn. */
  turn(): void {
    for (const callback of this.#deferred.splice(0)) callback();
  }

  /** What was written so far, as "type stream length". */
  sent(): string[] {
    const frames: string[] = [];
    const decoder = new FrameDecoder([-1, ...Array(11).fill(1 << 26)], (type, id, payload) =>
      frames.push(`${type} ${id} ${payload.length}`),
    );
    for (const bytes of this.writes) decoder.push(bytes);
    return frames;
  }
}

const SIDES: Side[] = ["host", "guest"];
/** The first stream that the peer of `side` opens, and the first that `side` opens itself. */
const FIRST = { host: { peers: 2, own: 1 }, guest: { peers: 1, own: 2 } } as const;

describe.each(SIDES)("on the %s", (side) => {
  const { peers, own } = FIRST[side];
  const STREAM_TYPES = [FRAME.head, FRAME.data, FRAME.end, FRAME.reset, FRAME.credit];

  const violations: Record<string, (rig: Rig) => void> = {
    "a head twice on the peer's stream": (rig) => {
      rig.send(FRAME.head, peers);
      rig.send(FRAME.head, peers);
    },
    "a head twice on its own stream": (rig) => {
      rig.open();
      rig.send(FRAME.head, own);
      rig.send(FRAME.head, own);
    },
    "data before the head": (rig) => {
      rig.open();
      rig.send(FRAME.data, own, 1);
    },
    "the end before the head": (rig) => {
      rig.open();
      rig.send(FRAME.end, own);
    },
    "the end twice": (rig) => {
      rig.send(FRAME.head, peers);
      rig.send(FRAME.end, peers);
      rig.send(FRAME.end, peers);
    },
    "data after the end": (rig) => {
      rig.send(FRAME.head, peers);
      rig.send(FRAME.end, peers);
      rig.send(FRAME.data, peers, 1);
    },
    "a number used again while its stream is open": (rig) => {
      rig.send(FRAME.head, peers);
      rig.send(FRAME.head, peers + 2);
      rig.send(FRAME.head, peers);
    },
    "a number used again after its stream is over": (rig) => {
      rig.send(FRAME.head, peers);
      rig.send(FRAME.reset, peers);
      rig.send(FRAME.head, peers);
    },
    "a number that leaves one out": (rig) => rig.send(FRAME.head, peers + 2),
    "the largest number": (rig) => rig.send(FRAME.head, 0xffff_fffe + (peers & 1)),
    "a head on a number of the other side": (rig) => rig.send(FRAME.head, own),
    "credit of three bytes": (rig) => {
      rig.open();
      rig.send(FRAME.credit, own, 3);
    },
    "credit for what was never sent": (rig) => {
      rig.open();
      rig.credit(own, 1);
    },
    "credit that overflows": (rig) => {
      rig.open().send(new Uint8Array(10));
      rig.credit(own, 0xffff_ffff);
    },
    "data over the credit": (rig) => {
      rig.send(FRAME.head, peers);
      for (let sent = 0; sent <= WINDOW_BYTES + 1024 * 1024 + 64 * 1024; sent += 64 * 1024)
        rig.send(FRAME.data, peers, 64 * 1024);
    },
    "too many streams": (rig) => {
      for (let count = 0; count <= PEER_STREAMS_MAX[side]; count += 1) rig.send(FRAME.head, peers + 2 * count);
    },
  };
  for (const [name, violate] of Object.entries(violations)) {
    test(`${name} is a WireError`, () => expect(() => violate(new Rig(side))).toThrow(WireError));
  }

  test("a frame of a stream that was never opened is a WireError, whatever its number", () => {
    for (const type of STREAM_TYPES) {
      for (const id of [0, own, own + 2, 0xffff_fffe, 0xffff_ffff, ...(type === FRAME.head ? [] : [peers])]) {
        expect(() => new Rig(side).send(type, id, type === FRAME.credit ? 4 : 0), `type ${type} on ${id}`).toThrow(
          WireError,
        );
      }
    }
  });

  test("frames of a stream that is over are dropped", () => {
    for (const mine of [true, false]) {
      const rig = new Rig(side);
      const stream = mine ? rig.open() : undefined;
      const id = mine ? own : peers;
      rig.send(FRAME.head, id);
      if (mine) stream?.reset();
      else rig.send(FRAME.reset, id);
      const before = rig.told.length;
      for (const type of STREAM_TYPES)
        if (mine || type !== FRAME.head) rig.send(type, id, type === FRAME.credit ? 4 : 10);
      expect(rig.told.length).toBe(before);
      expect(rig.connection.streamCount).toBe(0);
    }
  });

  test("a refused stream is gone at once, and what was under way on it is dropped", () => {
    const rig = new Rig(side, true);
    for (let count = 0; count < PEER_STREAMS_MAX[side] + 10; count += 1) rig.send(FRAME.head, peers + 2 * count);
    rig.send(FRAME.data, peers, 100);
    rig.send(FRAME.end, peers);
    expect(rig.connection.streamCount).toBe(0);
    expect(rig.told.every((line) => line.startsWith("open"))).toBe(true);
  });

  test("close tells every stream once, and nothing is heard or written afterwards", () => {
    const rig = new Rig(side);
    rig.open();
    rig.open();
    rig.send(FRAME.head, peers);
    rig.turn();
    rig.told.length = 0;
    const written = rig.writes.length;
    rig.connection.close("gone");
    rig.connection.close("again");
    expect(rig.told.toSorted()).toEqual(["reset 0 4", "reset 1 4", `reset ${peers} 4`].toSorted());
    rig.send(FRAME.head, peers + 2);
    rig.streams[0]?.send(new Uint8Array(10));
    rig.connection.flush();
    rig.turn();
    expect(rig.told.length).toBe(3);
    expect(rig.writes.length).toBe(written);
    expect(rig.connection.streamCount).toBe(0);
  });

  test("random frames in any order end in a WireError or go on, and hold no more streams than allowed", () => {
    let errors = 0;
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = seededRandom(seed);
      const rig = new Rig(side);
      for (let count = random.below(3); count > 0; count -= 1) rig.open(random.pick(["credit", "pipe"]));
      try {
        for (let step = 0; step < 200; step += 1) {
          const type = random.pick(STREAM_TYPES);
          const id = random.pick([own, own + 2, peers, peers + 2, peers + 4]);
          if (type === FRAME.credit) rig.credit(id, random.pick([0, 1, 65_536]));
          else rig.send(type, id, random.below(100));
        }
      } catch (error) {
        errors += 1;
        expect(error, `seed ${seed}`).toBeInstanceOf(WireError);
      }
      expect(rig.connection.streamCount).toBeLessThanOrEqual(5);
      rig.connection.close();
      expect(rig.connection.streamCount).toBe(0);
    }
    expect(errors).toBeGreaterThan(200);
  });
});

test("the frames of one turn leave in one write, in order", () => {
  const rig = new Rig("host");
  const stream = rig.open();
  stream.send(new Uint8Array(10));
  stream.sendText("text");
  stream.end();
  rig.connection.sendBytes(FRAME.ping, 0);
  expect(rig.writes.length).toBe(0);
  rig.turn();
  expect(rig.writes.length).toBe(1);
  expect(rig.sent()).toEqual(["4 1 2", "5 1 10", "5 1 4", "6 1 0", "11 0 0".replace("11", String(FRAME.ping))]);
  rig.turn();
  expect(rig.writes.length).toBe(1);
});

test("what is large is written within the turn, so that little is buffered", () => {
  const rig = new Rig("host");
  const stream = rig.open("pipe");
  for (let count = 0; count < 20; count += 1) stream.send(new Uint8Array(64 * 1024));
  expect(Math.max(...rig.writes.map(({ length }) => length))).toBeLessThan(256 * 1024);
  expect(rig.writes.length).toBeGreaterThan(5);
});

test("empty data reaches nobody: it costs no credit, and could be sent without end", () => {
  const rig = new Rig("host");
  rig.open();
  rig.send(FRAME.head, 1);
  const before = rig.told.length;
  for (let count = 0; count < 1000; count += 1) rig.send(FRAME.data, 1, 0);
  expect(rig.told.length).toBe(before);
});

test("a stream with pipe flow takes data without credit, and the credit it gives stays within the window", () => {
  const host = new Rig("host");
  const stream = host.open("pipe");
  host.send(FRAME.head, 1);
  for (let count = 0; count < 40; count += 1) host.send(FRAME.data, 1, 64 * 1024);
  stream.consumed(40 * 64 * 1024);
  host.turn();
  expect(host.sent().filter((frame) => frame.startsWith(`${FRAME.credit} 1`)).length).toBe(1);
  stream.consumed(10 * WINDOW_BYTES);
  host.turn();
  expect(host.sent().filter((frame) => frame.startsWith(`${FRAME.credit} 1`)).length).toBe(1);
});

test("a guest answers a ping; a host accepts none", () => {
  const guest = new Rig("guest");
  guest.send(FRAME.ping, 0, 8);
  guest.turn();
  expect(guest.sent()).toEqual([`${FRAME.pong} 0 8`]);
  expect(() => new Rig("host").send(FRAME.ping, 0)).toThrow(WireError);
});
