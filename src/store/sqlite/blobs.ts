/**
 * Blobs: files named by their hash, `blobs/<2 hex>/<64 hex>`, written once.
 *
 * What removes a blob and what finds one exclude each other by the database's lock, also between processes: otherwise
 * a collector could remove what a deploy has just been told is there. When a blob was found last is its file's time.
 * Everything else in the folders (links, other names) is not seen.
 */
import { lstatSync, renameSync, unlinkSync, utimesSync } from "node:fs";
import { lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { BlobFacts, BlobStore } from "../../core/store.ts";
import { blobMismatch, blobTooLarge, checkBlobBound, checkBlobHash, storeClosed } from "../../core/store_rules.ts";
import { hashOf } from "../../stdx/hash.ts";
import { type BlobBody, cleanDrafts, syncFolder, writeDraft } from "./blob_drafts.ts";
import { checkBytes, checkedPieces, isWhole, openBlob } from "./blob_reader.ts";
import { nameFailure } from "./failures.ts";

/** Runs a step while nobody else, in any process, runs one. */
export type Exclusively = <T>(step: () => T) => Promise<T>;

/** The blobs of one store. */
export class BlobFolder implements BlobStore {
  #folder: string;
  #drafts: string;
  #clock: Clock;
  #exclusively: Exclusively;
  #ready: Promise<void>;
  #ending = new AbortController();
  #writing = new Set<Promise<unknown>>();

  constructor(directory: string, clock: Clock, exclusively: Exclusively) {
    this.#folder = join(directory, "blobs");
    this.#drafts = join(this.#folder, "drafts");
    this.#clock = clock;
    this.#exclusively = exclusively;
    this.#ready = cleanDrafts(this.#drafts, clock.wallNow());
    // Whoever writes first is told.
    this.#ready.catch(() => {});
  }

  async put(
    body: BlobBody,
    options: { readonly expected?: string | undefined; readonly bytesMax?: number | undefined } = {},
  ): Promise<BlobFacts> {
    this.#checkOpen();
    if (options.expected !== undefined) checkBlobHash(options.expected);
    const writing = this.#write(body, checkBlobBound(options.bytesMax), options.expected).catch((error: unknown) => {
      throw nameFailure(error, "Cannot write the blob");
    });
    this.#writing.add(writing);
    return writing.finally(() => this.#writing.delete(writing));
  }

  async head(hash: string): Promise<BlobFacts | undefined> {
    this.#checkOpen();
    const facts = await lstat(this.#pathOf(hash)).catch(() => undefined);
    return facts?.isFile() ? { hash, bytes: facts.size } : undefined;
  }

  async read(hash: string): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    const file = await openBlob(this.#pathOf(hash));
    if (file === undefined) return undefined;
    const { buffer, byteOffset, byteLength } = await file.readFile().finally(() => file.close());
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    checkBytes(hashOf(bytes), hash);
    return bytes;
  }

  async stream(hash: string): Promise<ReadableStream<Uint8Array> | undefined> {
    this.#checkOpen();
    const file = await openBlob(this.#pathOf(hash));
    if (file === undefined) return undefined;
    const pieces = checkedPieces(file, hash);
    const { signal } = this.#ending;
    // A generator that has not begun does not run its end: it would not close the file.
    const stop = async () => {
      signal.removeEventListener("abort", stop);
      await pieces.return();
      await file.close().catch(() => {});
    };
    signal.addEventListener("abort", stop);
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          try {
            if (signal.aborted) throw storeClosed();
            const { done, value } = await pieces.next();
            if (!done) return controller.enqueue(value);
            controller.close();
          } catch (error) {
            controller.error(signal.aborted ? storeClosed() : error);
          }
          await stop();
        },
        cancel: stop,
      },
      { highWaterMark: 0 },
    );
  }

  async *list(): AsyncGenerator<BlobFacts & { readonly touchedAt: number }> {
    this.#checkOpen();
    await this.#ready;
    for (const folder of await readdir(this.#folder, { withFileTypes: true })) {
      if (!folder.isDirectory() || !/^[0-9a-f]{2}$/.test(folder.name)) continue;
      for (const name of await readdir(join(this.#folder, folder.name))) {
        if (!/^[0-9a-f]{64}$/.test(name) || !name.startsWith(folder.name)) continue;
        const facts = await lstat(join(this.#folder, folder.name, name)).catch(() => undefined);
        if (facts?.isFile()) yield { hash: `sha256-${name}`, bytes: facts.size, touchedAt: Math.round(facts.mtimeMs) };
      }
    }
  }

  async delete(hash: string, before: number): Promise<boolean> {
    this.#checkOpen();
    const path = this.#pathOf(hash);
    return this.#exclusively(() => {
      const facts = lstatSync(path, { throwIfNoEntry: false });
      if (!facts?.isFile() || Math.round(facts.mtimeMs) >= before) return false;
      unlinkSync(path);
      return true;
    });
  }

  /** Ends what is being written and read, and waits for its end. */
  async close(): Promise<void> {
    this.#ending.abort(storeClosed());
    await Promise.allSettled([this.#ready, ...this.#writing]);
  }

  async #write(body: BlobBody, bytesMax: number, expected: string | undefined): Promise<BlobFacts> {
    await this.#ready;
    if (body instanceof Uint8Array) {
      if (body.byteLength > bytesMax) throw blobTooLarge(bytesMax);
      const known = { hash: hashOf(body), bytes: body.byteLength };
      if (expected !== undefined && known.hash !== expected) throw blobMismatch(known.hash, expected);
      if (await this.#find(known.hash)) return known;
    }
    await using draft = await writeDraft(this.#drafts, body, bytesMax, this.#ending.signal);
    const { hash, bytes } = draft;
    if (expected !== undefined && hash !== expected) throw blobMismatch(hash, expected);
    if (!(await this.#find(hash))) await this.#publish(draft.path, hash);
    return { hash, bytes };
  }

  /** Whether a blob is there whole; touches it, so that it stays. */
  async #find(hash: string): Promise<boolean> {
    const path = this.#pathOf(hash);
    if (!(await isWhole(path, hash))) return false;
    const isThere = await this.#exclusively(() => {
      if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return false;
      this.#touch(path);
      return true;
    });
    // Its writer may not have come as far as this yet.
    if (isThere) await this.#syncNames(path);
    return isThere;
  }

  async #publish(draft: string, hash: string): Promise<void> {
    const path = this.#pathOf(hash);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await this.#exclusively(() => {
      this.#touch(draft);
      renameSync(draft, path);
    });
    await this.#syncNames(path);
  }

  #touch(path: string): void {
    const now = new Date(this.#clock.wallNow());
    utimesSync(path, now, now);
  }

  async #syncNames(path: string): Promise<void> {
    await syncFolder(dirname(path));
    await syncFolder(this.#folder);
  }

  #pathOf(hash: string): string {
    checkBlobHash(hash);
    const name = hash.slice("sha256-".length);
    return join(this.#folder, name.slice(0, 2), name);
  }

  #checkOpen(): void {
    if (this.#ending.signal.aborted) throw storeClosed();
  }
}
