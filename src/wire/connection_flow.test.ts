/** Two connections joined back to back: random interleavings, random readers; all bytes in order, little buffered. */
import { expect, test } from "bun:test";
import { cut, type SeededRandom, seededRandom } from "../testing/seeded_random.ts";
import { Connection } from "./connection.ts";
import { GUEST_ACCEPTS, HOST_ACCEPTS } from "./frame.ts";
import { type StreamEvents, WINDOW_BYTES, type WireStream } from "./stream.ts";

/** The most that a sender of this test overshoots its credit by. */
const MESSAGE_BYTES = 40_000;

/** Bytes under way in one direction. */
interface Pipe {
  readonly chunks: Uint8Array[];
}

/** One direction of one stream: a sender that obeys credit, a reader that takes its time. */
class Transfer {
  readonly #random: SeededRandom;
  readonly #total: number;
  #sent = 0;
  #received = 0;
  #consumed = 0;
  #blocked = false;
  ended = false;
  highestHeld = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#total = random.pick([0, 1, 5000, 300_000, 900_000]);
  }

  get waiting(): number {
    return this.#received - this.#consumed;
  }

  get done(): boolean {
    return this.ended && this.#received === this.#total && this.waiting === 0;
  }

  /** Sends one message, or the end. */
  send(stream: WireStream): void {
    if (this.#blocked || this.#sent > this.#total) return;
    if (this.#sent === this.#total) {
      this.#sent += 1;
      return stream.end();
    }
    const size = Math.min(this.#total - this.#sent, 1 + this.#random.below(MESSAGE_BYTES));
    const bytes = Uint8Array.from({ length: size }, (_, at) => (this.#sent + at) % 251);
    this.#sent += size;
    this.#blocked = !stream.send(bytes);
  }

  resume(): void {
    this.#blocked = false;
  }

  receive(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += 997) {
      if (bytes[at] !== (this.#received + at) % 251)
        throw new Error(`Byte ${this.#received + at} is not the one that was sent`);
    }
    this.#received += bytes.length;
    this.highestHeld = Math.max(this.highestHeld, this.waiting);
  }

  /** Takes some of what has arrived. */
  consume(stream: WireStream): void {
    const bytes = Math.min(this.waiting, 1 + this.#random.below(100_000));
    this.#consumed += bytes;
    stream.consumed(bytes);
  }
}

interface Party {
  readonly stream: WireStream;
  readonly out: Transfer;
  readonly in: Transfer;
}

/** Runs one seed; the parties of both sides when all is delivered. */
function exchange(seed: number): Party[] {
  const random = seededRandom(seed);
  const pipes: Record<"host" | "guest", Pipe> = { host: { chunks: [] }, guest: { chunks: [] } };
  const deferred: (() => void)[] = [];
  const parties: Party[] = [];
  const waitingFor = new Map<number, { out: Transfer; in: Transfer }>();
  const eventsOf = (mine: { out: Transfer; in: Transfer }): StreamEvents => ({
    head() {},
    data: (bytes) => mine.in.receive(bytes),
    end() {
      mine.in.ended = true;
    },
    reset() {
      throw new Error("A stream was reset");
    },
    writable: () => mine.out.resume(),
  });
  const create = (side: "host" | "guest"): Connection =>
    new Connection({
      side,
      accepts: side === "host" ? HOST_ACCEPTS : GUEST_ACCEPTS,
      write: (bytes) => void pipes[side].chunks.push(...cut(random, bytes, 30_000)),
      defer: (callback) => deferred.push(callback),
      events: {
        frame() {},
        open(stream) {
          const far = waitingFor.get(stream.id) as { out: Transfer; in: Transfer };
          const mine = { out: far.in, in: far.out };
          parties.push({ stream, ...mine });
          stream.head("{}");
          return eventsOf(mine);
        },
      },
    });
  const ends = { host: create("host"), guest: create("guest") };
  for (let count = 1 + random.below(5); count > 0; count -= 1) {
    const mine = { out: new Transfer(random), in: new Transfer(random) };
    const connection = random.pick([ends.host, ends.guest]);
    const stream = connection.open("{}", eventsOf(mine));
    waitingFor.set(stream.id, mine);
    parties.push({ stream, ...mine });
  }
  const deliver = (from: "host" | "guest", to: Connection) => {
    const chunk = pipes[from].chunks.shift();
    if (chunk !== undefined) to.receive(chunk);
  };
  const actions = [
    () => deliver("host", ends.guest),
    () => deliver("guest", ends.host),
    () => deferred.splice(0).forEach((callback) => void callback()),
    () => send(random.pick(parties)),
    () => take(random.pick(parties)),
  ];
  const send = ({ out, stream }: Party) => out.send(stream);
  const take = (party: Party) => party.in.consume(party.stream);
  const finished = () =>
    parties.every(({ in: incoming }) => incoming.done) && ends.host.streamCount + ends.guest.streamCount === 0;
  for (let step = 0; step < 200_000; step += 1) {
    random.pick(actions)();
    if (step % 64 === 0 && finished()) return parties;
  }
  throw new Error("Not everything was delivered");
}

test("all bytes arrive in order under credit, and no reader is made to hold more than its window", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    for (const { in: incoming } of exchange(seed)) {
      expect(incoming.highestHeld, `seed ${seed}`).toBeLessThanOrEqual(WINDOW_BYTES + MESSAGE_BYTES);
    }
  }
});

test("a sender whose peer never reads stops at its credit", () => {
  const connection = new Connection({
    side: "host",
    accepts: HOST_ACCEPTS,
    events: { frame() {}, open: () => undefined },
    write() {},
    defer() {},
  });
  const stream = connection.open("{}", { head() {}, data() {}, end() {}, reset() {}, writable() {} });
  let sent = 0;
  while (stream.send(new Uint8Array(1000))) sent += 1000;
  expect(stream.full).toBe(true);
  expect(sent).toBeLessThan(WINDOW_BYTES);
});
