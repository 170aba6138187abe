/** Reads a blob's file, and does not end well when its bytes are not those of its name. Symbolic links are not followed. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { IsopodError } from "../../core/errors.ts";

const PIECE_BYTES = 128 * 1024;

/** Opens the file at `path`; undefined when there is none, or something else than a file. */
export async function openBlob(path: string): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const facts = await file.stat();
    if (facts.isFile()) return file;
    await file.close();
    return undefined;
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ELOOP", "ENOTDIR", "ENXIO"].includes(code)) return undefined;
    throw error;
  }
}

/** The bytes of `file` in pieces; closes it. @throws {IsopodError} `internal` at the end, when they are not `hash` */
export async function* checkedPieces(file: FileHandle, hash: string): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const hasher = new Bun.CryptoHasher("sha256");
  try {
    for (;;) {
      const piece = new Uint8Array(PIECE_BYTES);
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, null);
      if (bytesRead === 0) break;
      const read = piece.subarray(0, bytesRead);
      hasher.update(read);
      yield read;
    }
  } finally {
    await file.close();
  }
  checkBytes(`sha256-${hasher.digest("hex")}`, hash);
}

/** @throws {IsopodError} `internal` when what has been read is another blob than was asked for */
export function checkBytes(found: string, hash: string): void {
  if (found === hash) return;
  throw new IsopodError("internal", {
    message: `Cannot read blob ${hash}: the file is damaged, its bytes have the hash ${found}. Deploy it again.`,
  });
}

/** Whether the file at `path` is there and holds the bytes of `hash`. */
export async function isWhole(path: string, hash: string): Promise<boolean> {
  const file = await openBlob(path);
  if (file === undefined) return false;
  try {
    for await (const _ of checkedPieces(file, hash));
    return true;
  } catch (error) {
    if (error instanceof IsopodError) return false;
    throw error;
  }
}
