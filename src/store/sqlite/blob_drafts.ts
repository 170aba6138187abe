/**
 * Blobs that are being written: files under passing names, of which nobody knows until they are whole and on disk.
 *
 * Those of a writer who died are removed when they are old; a young one may be another process's, still growing.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { blobTooLarge } from "../../core/store_rules.ts";

const DRAFT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const OLD_MS = 60 * 60 * 1000;

/** What a body is given as. */
export type BlobBody = Uint8Array | ReadableStream<Uint8Array>;

/** A file that is whole and on disk; `using` removes it unless it has been given its own name. */
export interface Draft extends AsyncDisposable {
  readonly path: string;
  readonly hash: string;
  readonly bytes: number;
}

/** Writes `body` to a passing name in `folder`. @throws {IsopodError} `body_too_large`, or what the body errors with */
export async function writeDraft(
  folder: string,
  body: BlobBody,
  bytesMax: number,
  signal: AbortSignal,
): Promise<Draft> {
  const path = join(folder, crypto.randomUUID());
  const file = await open(path, "wx", 0o600);
  const remove = () => unlink(path).catch(() => {});
  try {
    const facts = await copy(body, file, bytesMax, signal).finally(() => file.close());
    return { path, ...facts, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function copy(
  body: BlobBody,
  file: FileHandle,
  bytesMax: number,
  signal: AbortSignal,
): Promise<{ hash: string; bytes: number }> {
  const hasher = new Bun.CryptoHasher("sha256");
  let bytes = 0;
  const take = async (piece: Uint8Array): Promise<void> => {
    bytes += piece.byteLength;
    if (bytes > bytesMax) throw blobTooLarge(bytesMax);
    hasher.update(piece);
    await file.writeFile(piece);
  };
  if (body instanceof Uint8Array) await take(body);
  else await pour(body, take, signal);
  await file.sync();
  return { hash: `sha256-${hasher.digest("hex")}`, bytes };
}

/** Reads a stream to its end; one that is not wanted any more is cancelled, so that its source stops. */
async function pour(
  stream: ReadableStream<Uint8Array>,
  take: (piece: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const reader = stream.getReader();
  const cancel = () => reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      await take(value);
    }
  } catch (error) {
    reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** Makes the folder of drafts, and removes those that nobody can be writing still at `now`. */
export async function cleanDrafts(folder: string, now: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (!DRAFT.test(name)) continue;
    const path = join(folder, name);
    const facts = await lstat(path).catch(() => undefined);
    if (facts?.isFile() && now - facts.mtimeMs > OLD_MS) await unlink(path).catch(() => {});
  }
}

/** Has the names in a folder reach the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await folder.sync().finally(() => folder.close());
}
