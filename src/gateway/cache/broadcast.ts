/**
 * The body of one answer for several readers: read once, as fast as the fastest reads, and gathered as a whole as far as
 * there is room to keep it.
 *
 * Where there is no room, or it is too long, it goes on without being gathered; what who is further behind than
 * `LAG_BYTES_MAX` has not had yet goes to a file, so that a slow reader holds up nobody. Where that cannot be, he is cut
 * off.
 */
import type { Reservation } from "../../stdx/share_list.ts";
import type { OverflowFile } from "./overflow.ts";
import { Tail } from "./tail.ts";

/** What came of gathering. */
export interface GatherEnd {
  /** All of it, and nothing went wrong. */
  whole(body: Uint8Array): void;
  /** It was too long, there was no room, or it did not come to its end. */
  given(): void;
}

/** How a reader's part ended. */
export type ReaderEnd = "whole" | "failed" | "too slow" | "cancelled";

/** A reader's part. */
export interface Reading {
  readonly body: ReadableStream<Uint8Array>;
  readonly ended: Promise<{ readonly how: ReaderEnd; readonly bytes: number }>;
}

interface Reader {
  /** Bytes that it has. */
  at: number;
  cut(how: ReaderEnd): void;
}

/** Where what is gathered, and what nobody may wait for, has its room. */
export interface BroadcastRoom {
  /** Takes room for what is gathered, and says how to tell that it was lost. */
  reserve(lost: () => void): Reservation;
  /** A file for what slow readers have not had yet. */
  overflow(): OverflowFile;
}

const LAG_BYTES_MAX = 1024 * 1024;
/** What a piece takes beside its bytes: many small ones must not take more room than they are counted for. */
const PIECE_BYTES = 128;
/** The body. */
export class Broadcast {
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #bytesMax: number;
  readonly #end: GatherEnd;
  readonly #room: Reservation;
  readonly #readers = new Set<Reader>();
  readonly #tail: Tail;
  #taken = 0;
  #gathers = true;
  #state: "reading" | "whole" | "failed" = "reading";
  #reading: Promise<void> | undefined;

  constructor(source: ReadableStream<Uint8Array>, bytesMax: number, room: BroadcastRoom, end: GatherEnd) {
    this.#source = source.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    this.#bytesMax = bytesMax;
    this.#end = end;
    this.#tail = new Tail(() => room.overflow());
    this.#room = room.reserve(() => this.#giveUp());
  }

  /** A reader from the beginning; undefined when the beginning is not at hand any more. */
  open(): Reading | undefined {
    if (this.#tail.from > 0 || this.#state === "failed") return undefined;
    const { promise: ended, resolve } = Promise.withResolvers<Awaited<Reading["ended"]>>();
    let own: ReadableStreamDefaultController<Uint8Array>;
    const leave = (how: ReaderEnd) => {
      this.#readers.delete(reader);
      resolve({ how, bytes: reader.at });
      if (!this.#gathers) this.#trim();
    };
    const reader: Reader = {
      at: 0,
      cut: (how) => {
        leave(how);
        // Without a reason: Bun prints the reason of every stream that it serves.
        own.error(undefined);
      },
    };
    this.#readers.add(reader);
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          own = controller;
        },
        pull: async (controller) => {
          while (reader.at === this.#tail.to && this.#state === "reading" && this.#readers.has(reader))
            await this.#more();
          if (!this.#readers.has(reader)) return;
          if (this.#state === "failed") return reader.cut("failed");
          const piece = await this.#next(reader);
          if (!this.#readers.has(reader)) return;
          if (piece === undefined) return reader.cut("too slow");
          reader.at += piece.length;
          if (piece.length > 0) controller.enqueue(piece);
          if (!this.#gathers) this.#trim();
          if (this.#state !== "whole" || reader.at < this.#tail.to) return;
          leave("whole");
          controller.close();
        },
        cancel: () => {
          leave("cancelled");
          if (this.#readers.size > 0 || this.#state !== "reading") return undefined;
          this.#fail();
          return this.#source.cancel().catch(() => {});
        },
      },
      { highWaterMark: 0 },
    );
    return { body, ended };
  }

  /** One read for all who wait. */
  #more(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const { value, done } = await this.#source.read();
      // Whoever cancels is told that it is done.
      if (this.#state !== "reading") return;
      if (done) this.#finish();
      else if (value.length > 0) this.#add(value);
      if (!this.#gathers) await this.#relieve();
    } catch {
      this.#fail();
    }
  }

  #fail(): void {
    this.#giveUp();
    this.#state = "failed";
    this.#tail.end();
  }

  #add(value: Uint8Array): void {
    this.#taken += value.length + PIECE_BYTES;
    this.#tail.add(value);
    if (!this.#gathers) return;
    if (this.#taken > this.#bytesMax || !this.#room.grow(value.length + PIECE_BYTES)) this.#giveUp();
  }

  #finish(): void {
    this.#state = "whole";
    if (!this.#gathers) return;
    // Who is still reading reads what is kept.
    const body = this.#tail.joined();
    this.#room.end();
    this.#end.whole(body);
  }

  /** What follows is not kept. */
  #giveUp(): void {
    if (!this.#gathers || this.#state !== "reading") return;
    this.#gathers = false;
    this.#room.end();
    this.#end.given();
    this.#relieve();
  }

  /** Sees to it that little is in memory: the next bytes come when that is so. */
  async #relieve(): Promise<void> {
    this.#trim();
    if (this.#tail.memoryBytes <= LAG_BYTES_MAX || (await this.#tail.spill(LAG_BYTES_MAX))) return;
    for (const reader of [...this.#readers]) if (this.#tail.to - reader.at > LAG_BYTES_MAX) reader.cut("too slow");
  }

  /** Forgets what every reader has. */
  #trim(): void {
    let least = this.#tail.to;
    for (const { at } of this.#readers) least = Math.min(least, at);
    this.#tail.trim(least);
  }

  /** What a reader has not had yet, as much of it as is given at a time; undefined when it is lost. */
  async #next(reader: Reader): Promise<Uint8Array | undefined> {
    try {
      return await this.#tail.read(reader.at);
    } catch {
      return undefined;
    }
  }
}
