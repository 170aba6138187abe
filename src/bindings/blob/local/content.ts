/**
 * The bytes of a project's objects: files named by their SHA-256, each once, whoever has put it.
 *
 * A file is whole and on the disk before a row names it, and is removed after no row does; what a crash leaves is removed
 * when the project is opened again. What is read is held against checksums that were made when it was written, a block
 * at a time, before anybody sees it.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IsopodError } from "../../../core/errors.ts";
import { syncFolder } from "../../../stdx/sqlite_file.ts";
import type { Incoming } from "../backend.ts";
import { BlockSums, SUM_BYTES, sumOf } from "../digests.ts";
import { type Draft, type DraftOptions, writeDraft } from "../draft.ts";

/** Bytes of a block, which is read and checked as a whole. */
export const BLOCK_BYTES = 256 * 1024;

/** Bytes that are on the disk. */
export interface Content {
  /** Hex digits of the SHA-256; the name of its file. */
  readonly content: string;
  readonly bytes: number;
  readonly md5: string;
  /** A checksum for each block. */
  readonly sums: Uint8Array;
}

/** The files of one project. */
export class ContentFiles {
  readonly #directory: string;
  readonly #drafts: string;
  readonly #clean: string;
  /** Whether a crash may have left files that no row names. */
  readonly wasLeft: boolean;
  /** Writes and reads under way, by content: their files are not removed though no row names them. */
  readonly #held = new Map<string, number>();
  /** Removals under way: who writes the same again waits for them. */
  readonly #removing = new Map<string, Promise<void>>();

  constructor(directory: string) {
    this.#directory = join(directory, "content");
    this.#drafts = join(directory, "drafts");
    this.#clean = join(directory, "clean");
    for (const folder of [this.#directory, this.#drafts]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const left of readdirSync(this.#drafts)) rmSync(join(this.#drafts, left));
    this.wasLeft = !existsSync(this.#clean);
    rmSync(this.#clean, { force: true });
    syncFolder(directory);
  }

  /** Tells the next opening that nothing is left. */
  markClean(): void {
    writeFileSync(this.#clean, "");
  }

  /**
   * Writes a body; its content is held until `release`.
   * @throws {IsopodError} what `writeDraft` throws
   */
  async write(incoming: Incoming, { names, took }: DraftOptions): Promise<{ content: Content; draft: Draft }> {
    const path = join(this.#drafts, crypto.randomUUID());
    const sums = new BlockSums(BLOCK_BYTES);
    try {
      const draft = await writeDraft(path, incoming, {
        names,
        took: (chunk) => {
          took(chunk);
          sums.update(chunk);
        },
      });
      const { bytes, digests } = draft;
      const content = { content: digests.sha256, bytes, md5: digests.md5, sums: sums.all() };
      this.hold(content.content);
      try {
        await this.#removing.get(content.content);
        await this.#publish(path, content);
      } catch (error) {
        this.release(content.content);
        throw error;
      }
      return { content, draft };
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Keeps a file, whatever the rows say, until `release`. */
  hold(content: string): void {
    this.#held.set(content, (this.#held.get(content) ?? 0) + 1);
  }

  release(content: string): void {
    const left = (this.#held.get(content) ?? 1) - 1;
    if (left === 0) this.#held.delete(content);
    else this.#held.set(content, left);
  }

  /** Whether a write or a read has it in hand. */
  isHeld(content: string): boolean {
    return this.#held.has(content);
  }

  open(content: string): Promise<FileHandle> {
    return open(this.#pathOf(content), "r");
  }

  /** Removes a file that no row names and nobody holds. */
  async remove(content: string): Promise<void> {
    if (this.isHeld(content) || this.#removing.has(content)) return;
    const removal = rm(this.#pathOf(content), { force: true }).finally(() => this.#removing.delete(content));
    this.#removing.set(content, removal);
    await removal;
  }

  /** Removes the files that `isNamed` says no row names: what a crash has left. */
  async removeOthers(isNamed: (content: string) => boolean): Promise<void> {
    for (const folder of await readdir(this.#directory)) {
      for (const name of await readdir(join(this.#directory, folder))) {
        if (!isNamed(name)) await this.remove(name);
      }
    }
  }

  async #publish(draft: string, { content, bytes }: Content): Promise<void> {
    const path = this.#pathOf(content);
    const there = await stat(path).catch(() => undefined);
    // What is there under the name is the same, unless a disk has cut it off.
    if (there?.size === bytes) return;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rename(draft, path);
    for (const folder of [dirname(path), this.#directory]) {
      const handle = await open(folder, "r");
      await handle.sync().finally(() => handle.close());
    }
  }

  #pathOf(content: string): string {
    return join(this.#directory, content.slice(0, 2), content);
  }
}

/** Reads one block of a file and holds it against its checksum. @throws {IsopodError} `internal` when it differs */
export async function readBlock(file: FileHandle, block: number, bytes: number, sums: Uint8Array): Promise<Uint8Array> {
  const length = Math.min(BLOCK_BYTES, bytes - block * BLOCK_BYTES);
  const read = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await file.read(read, at, length - at, block * BLOCK_BYTES + at);
    if (bytesRead === 0) throw damaged();
    at += bytesRead;
  }
  const sum = sums.subarray(block * SUM_BYTES, (block + 1) * SUM_BYTES);
  if (Buffer.compare(sumOf(read), sum) !== 0) throw damaged();
  return read;
}

function damaged(): IsopodError {
  return new IsopodError("internal", { cause: "a blob's file is not what was written to it" });
}
