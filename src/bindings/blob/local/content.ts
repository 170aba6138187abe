/**
 * The bytes of a project's objects: files named by their SHA-256, each once, whoever has put it.
 *
 * A file is whole and on the disk before a row names it, and is removed after no row does; what a crash leaves is removed
 * when the project is opened again. What is read is held against checksums that were made when it was written, a block
 * at a time, before anybody sees it.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { IsopodError } from "../../../core/errors.ts";
import type { Incoming } from "../backend.ts";
import { BlockSums, type DigestNames, Digests, SUM_BYTES, sumOf } from "../digests.ts";
import { BLOB_LIMITS } from "../limits.ts";
import { ended, tooLarge } from "../refused.ts";

/** Bytes of a block, which is read and checked as a whole. */
export const BLOCK_BYTES = 256 * 1024;

/** Bytes that are on the disk. */
export interface Content {
  /** Hex digits of the SHA-256; the name of its file. */
  readonly content: string;
  readonly bytes: number;
  readonly md5: string;
  /** Hex digits by algorithm, as far as they were asked for. */
  readonly digests: Readonly<Record<string, string>>;
  /** A checksum for each block. */
  readonly sums: Uint8Array;
}

/** The files of one project. */
export class ContentFiles {
  readonly #directory: string;
  readonly #drafts: string;
  /** Writes under way, by content: their files are not removed though no row names them yet. */
  readonly #held = new Map<string, number>();
  /** Removals under way: who writes the same again waits for them. */
  readonly #removing = new Map<string, Promise<void>>();

  constructor(directory: string) {
    this.#directory = join(directory, "content");
    this.#drafts = join(directory, "drafts");
    for (const folder of [this.#directory, this.#drafts]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const left of readdirSync(this.#drafts)) rmSync(join(this.#drafts, left));
  }

  /**
   * Writes a body, held until `release`.
   * @throws {IsopodError} `value_too_large`, `binding_failed` when it is given up, or what the body fails with
   */
  async write({ body, signal }: Incoming, wanted: DigestNames): Promise<Content> {
    const path = join(this.#drafts, crypto.randomUUID());
    try {
      const content = await this.#draft(path, body, signal, wanted);
      this.#held.set(content.content, (this.#held.get(content.content) ?? 0) + 1);
      await this.#removing.get(content.content);
      await this.#publish(path, content).catch((error) => {
        this.release(content.content);
        throw error;
      });
      return content;
    } finally {
      await rm(path, { force: true });
    }
  }

  /** A row names it now, or nobody wants it. */
  release(content: string): void {
    const left = (this.#held.get(content) ?? 1) - 1;
    if (left === 0) this.#held.delete(content);
    else this.#held.set(content, left);
  }

  open(content: string): Promise<FileHandle> {
    return open(this.#pathOf(content), "r");
  }

  /** Removes a file that no row names, unless a write has it in hand. */
  async remove(content: string): Promise<void> {
    if (this.#held.has(content) || this.#removing.has(content)) return;
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

  async #draft(path: string, body: Incoming["body"], signal: AbortSignal, wanted: DigestNames): Promise<Content> {
    const file = await open(path, "wx", 0o600);
    const digests = new Digests(wanted);
    const sums = new BlockSums(BLOCK_BYTES);
    let bytes = 0;
    const reader = body?.getReader();
    const cancel = () => void reader?.cancel().catch(() => {});
    signal.addEventListener("abort", cancel);
    if (signal.aborted) cancel();
    try {
      for (;;) {
        const { value, done } = (await reader?.read()) ?? { done: true };
        if (signal.aborted) throw ended();
        if (done || value === undefined) break;
        bytes += value.length;
        const max = BLOB_LIMITS.putBytesMax;
        if (bytes > max) throw tooLarge("the object is longer", { name: "putBytesMax", value: max });
        digests.update(value);
        sums.update(value);
        await file.writeFile(value);
      }
      await file.datasync();
    } catch (error) {
      cancel();
      throw error;
    } finally {
      signal.removeEventListener("abort", cancel);
      await file.close();
    }
    const { sha256 = "", md5 = "", ...rest } = digests.hex();
    return { content: sha256, bytes, md5, digests: { ...rest, md5, sha256 }, sums: sums.all() };
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
