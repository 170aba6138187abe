/** Bytes on their way to become an object or a part: a few at a time are written, checked, and then named by a row. */
import type { Incoming } from "../backend.ts";
import type { BodyRoom } from "../body_room.ts";
import { checkDigests } from "../draft.ts";
import type { Life } from "../life.ts";
import { BLOB_LIMITS } from "../limits.ts";
import { CHECKSUM_NAMES, type Checksums } from "../object.ts";
import { ended } from "../refused.ts";
import type { Content, ContentFiles } from "./content.ts";
import type { Removals } from "./removals.ts";

/** What a writer works on. */
export interface WriterOptions {
  readonly files: ContentFiles;
  readonly life: Life;
  readonly removals: Removals;
  readonly room: BodyRoom;
}

/** What is written for. */
export interface Writing<T> {
  readonly incoming: Incoming;
  /** What the bytes must come to. */
  readonly checksums: Checksums;
  /** What the project keeps beside it now, in bytes. */
  left(): number;
  /** Makes of the content what it is for. */
  make(content: Content): Promise<T>;
}

/** The writer of one project. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #waiting = new Set<() => void>();
  #writing = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /**
   * Writes a body, holds it against the checksums, and has made of it what it is for.
   * @throws {IsopodError} `integrity_mismatch`, `quota_exceeded`, and what `make` throws; nothing is left then
   */
  write<T>(writing: Writing<T>): Promise<T> {
    const { life } = this.#options;
    const { body, signal: given } = writing.incoming;
    const signal = AbortSignal.any([given, life.signal]);
    return life.during(async () => {
      await this.#turn(signal);
      try {
        return await this.#write({ ...writing, incoming: { body, signal } });
      } finally {
        this.#writing -= 1;
        const [next] = this.#waiting;
        next?.();
      }
    });
  }

  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#writing >= BLOB_LIMITS.writersMax && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const go = () => {
          this.#waiting.delete(go);
          signal.removeEventListener("abort", go);
          resolve();
        };
        this.#waiting.add(go);
        signal.addEventListener("abort", go);
      });
    }
    if (signal.aborted) throw ended();
    this.#writing += 1;
  }

  async #write<T>({ incoming, checksums, left, make }: Writing<T>): Promise<T> {
    const { files, removals, room } = this.#options;
    const names = CHECKSUM_NAMES.filter((name) => checksums[name] !== undefined);
    const place = room.enter(left);
    try {
      const took = (chunk: Uint8Array) => place.take(chunk.length);
      const { content, draft } = await files.write(incoming, { names, took });
      try {
        if (incoming.signal.aborted) throw ended();
        checkDigests(draft.digests, checksums);
        return await make(content);
      } finally {
        files.release(content.content);
        removals.add([content.content]);
      }
    } finally {
      place.leave();
    }
  }
}
