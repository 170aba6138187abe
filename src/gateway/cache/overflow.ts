/**
 * Where slow readers of a long answer find what the fastest has had long ago: files in the data directory, which have no
 * name any more as soon as they are open, so that nothing is left of them when the server ends, however it does.
 *
 * They share a room; where it is full, the project that takes most of it loses what it has.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Reservation, ShareList, type Sharer } from "../../stdx/share_list.ts";

/** Where the files are, and the room for all of them. */
export interface OverflowOptions {
  readonly directory: string;
  readonly bytesMax: number;
}

/** The files. */
export class Overflow {
  readonly #directory: string;
  readonly #room: ShareList<Sharer<never>>;
  #isClean = false;

  constructor({ directory, bytesMax }: OverflowOptions) {
    this.#directory = directory;
    this.#room = new ShareList({ bytesMax }, () => {});
  }

  /** Bytes that are in files. */
  get bytes(): number {
    return this.#room.bytes;
  }

  /** A file for an answer of a project; made when something is written to it. */
  file(project: string): OverflowFile {
    return new OverflowFile(
      () => this.#open(),
      (lost) => this.#room.reserve(project, lost),
    );
  }

  async #open(): Promise<FileHandle> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    // A server that ended between the next two steps has left one.
    if (!this.#isClean) for (const left of readdirSync(this.#directory)) rmSync(join(this.#directory, left));
    this.#isClean = true;
    const path = join(this.#directory, crypto.randomUUID());
    const handle = await open(path, "wx+", 0o600);
    await rm(path);
    return handle;
  }
}

/** One file, of bytes that follow each other. */
export class OverflowFile {
  readonly #open: () => Promise<FileHandle>;
  readonly #room: Reservation;
  #handle: Promise<FileHandle> | undefined;
  /** Reads and writes that are under way: the file is closed after them. */
  #users = 0;
  #isOver = false;
  #bytes = 0;

  /** @param reserve takes room, and says how to tell that it was lost */
  constructor(open: () => Promise<FileHandle>, reserve: (lost: () => void) => Reservation) {
    this.#open = open;
    this.#room = reserve(() => this.end());
  }

  /** Appends; false when there is no room, or the disk takes no more. */
  async append(bytes: Uint8Array): Promise<boolean> {
    if (this.#isOver || !this.#room.grow(bytes.length)) return false;
    const isWritten = await this.#use(async (handle) => {
      for (let at = 0; at < bytes.length; ) {
        at += (await handle.write(bytes, at, bytes.length - at, this.#bytes + at)).bytesWritten;
      }
      this.#bytes += bytes.length;
      return true;
    }).catch(() => false);
    return isWritten && !this.#isOver;
  }

  /** Up to `bytesMax` bytes from a place on. @throws {Error} when they are not there any more */
  async read(at: number, bytesMax: number): Promise<Uint8Array> {
    const into = new Uint8Array(Math.min(bytesMax, this.#bytes - at));
    const { bytesRead } = await this.#use((handle) => handle.read(into, 0, into.length, at));
    if (bytesRead === 0) throw new Error("Cannot read on: the file has ended");
    return into.subarray(0, bytesRead);
  }

  /** Gives the file and its room back. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#room.end();
    if (this.#users === 0) this.#close();
  }

  async #use<T>(work: (handle: FileHandle) => Promise<T>): Promise<T> {
    if (this.#isOver) throw new Error("Cannot use the file: it is closed");
    this.#users += 1;
    try {
      this.#handle ??= this.#open();
      return await work(await this.#handle);
    } finally {
      this.#users -= 1;
      if (this.#isOver && this.#users === 0) this.#close();
    }
  }

  #close(): void {
    this.#handle?.then((handle) => handle.close()).catch(() => {});
  }
}
