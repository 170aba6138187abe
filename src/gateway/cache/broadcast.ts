/**
 * The body of one answer for several readers: read once, as fast as the fastest reads, and gathered as a whole as far as
 * there is room to keep it.
 *
 * Where there is no room, or it is too long, it goes on without being gathered; who is then further behind than
 * `LAG_BYTES_MAX` is cut off, so that a slow reader holds up nobody.
 */
import type { Reservation } from "../../stdx/share_list.ts";

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
  /** The number of the piece that it has next, and how much of that it has. */
  piece: number;
  within: number;
  cut(how: ReaderEnd): void;
}

const LAG_BYTES_MAX = 1024 * 1024;
/** What a piece takes beside its bytes: many small ones must not take more room than they are counted for. */
const PIECE_BYTES = 128;
/** Of what is whole already, as much is given at a time. */
const GIVEN_BYTES = 256 * 1024;

/** The body. */
export class Broadcast {
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #bytesMax: number;
  readonly #end: GatherEnd;
  readonly #room: Reservation;
  readonly #readers = new Set<Reader>();
  /** What is at hand; the first is the piece of this number. */
  #pieces: Uint8Array[] = [];
  #first = 0;
  /** Bytes that have come. */
  #to = 0;
  #taken = 0;
  #gathers = true;
  #state: "reading" | "whole" | "failed" = "reading";
  #reading: Promise<void> | undefined;

  /** @param reserve takes room for what is gathered, and says how to tell that it was lost */
  constructor(
    source: ReadableStream<Uint8Array>,
    bytesMax: number,
    reserve: (lost: () => void) => Reservation,
    end: GatherEnd,
  ) {
    this.#source = source.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    this.#bytesMax = bytesMax;
    this.#end = end;
    this.#room = reserve(() => this.#giveUp());
  }

  /** A reader from the beginning; undefined when the beginning is not at hand any more. */
  open(): Reading | undefined {
    if (this.#first > 0 || this.#state === "failed") return undefined;
    const { promise: ended, resolve } = Promise.withResolvers<Awaited<Reading["ended"]>>();
    let own: ReadableStreamDefaultController<Uint8Array>;
    const leave = (how: ReaderEnd) => {
      this.#readers.delete(reader);
      resolve({ how, bytes: reader.at });
    };
    const reader: Reader = {
      ...{ at: 0, piece: 0, within: 0 },
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
          while (reader.at === this.#to && this.#state === "reading" && this.#readers.has(reader)) await this.#more();
          if (!this.#readers.has(reader)) return;
          if (this.#state === "failed") return reader.cut("failed");
          const piece = this.#next(reader);
          if (piece !== undefined) controller.enqueue(piece);
          if (!this.#gathers) this.#trim();
          if (this.#state !== "whole" || reader.at < this.#to) return;
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
    } catch {
      this.#fail();
    }
  }

  #fail(): void {
    this.#giveUp();
    this.#state = "failed";
  }

  #add(value: Uint8Array): void {
    this.#taken += value.length + PIECE_BYTES;
    this.#to += value.length;
    // The sender may use its bytes again.
    this.#pieces.push(value.slice());
    if (!this.#gathers) this.#cutOff();
    else if (this.#taken > this.#bytesMax || !this.#room.grow(value.length + PIECE_BYTES)) this.#giveUp();
  }

  #finish(): void {
    this.#state = "whole";
    if (!this.#gathers) return;
    const body = Buffer.concat(this.#pieces, this.#to);
    // Who is still reading reads what is kept.
    this.#pieces = body.length === 0 ? [] : [body];
    for (const reader of this.#readers) {
      reader.piece = 0;
      reader.within = reader.at;
    }
    this.#room.end();
    this.#end.whole(body);
  }

  /** What follows is not kept. */
  #giveUp(): void {
    if (!this.#gathers || this.#state !== "reading") return;
    this.#gathers = false;
    this.#room.end();
    this.#end.given();
    this.#cutOff();
  }

  #cutOff(): void {
    for (const reader of [...this.#readers]) if (this.#to - reader.at > LAG_BYTES_MAX) reader.cut("too slow");
    this.#trim();
  }

  /** Forgets what every reader has. */
  #trim(): void {
    let least = this.#first + this.#pieces.length;
    for (const { piece } of this.#readers) least = Math.min(least, piece);
    this.#pieces.splice(0, least - this.#first);
    this.#first = least;
  }

  /** What a reader has not had yet, as much of it as is given at a time. */
  #next(reader: Reader): Uint8Array | undefined {
    const piece = this.#pieces[reader.piece - this.#first];
    if (piece === undefined) return undefined;
    const given = piece.subarray(reader.within, reader.within + GIVEN_BYTES);
    reader.at += given.length;
    reader.within += given.length;
    if (reader.within < piece.length) return given;
    reader.piece += 1;
    reader.within = 0;
    return given;
  }
}
