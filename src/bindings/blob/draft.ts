/**
 * A body on its way into a file, hashed while it comes: what is not whole yet is never anything but a file that nobody
 * names.
 */
import { open } from "node:fs/promises";
import type { Incoming } from "./backend.ts";
import { type DigestNames, Digests } from "./digests.ts";
import { BLOB_LIMITS } from "./limits.ts";
import type { Checksums } from "./object.ts";
import { ended, mismatch, tooLarge } from "./refused.ts";

/** A body that is in a file, and on the disk. */
export interface Draft {
  readonly bytes: number;
  /** MD5, SHA-256 and what else was asked for; hex digits. */
  readonly digests: Checksums & { readonly md5: string; readonly sha256: string };
}

/** How one is written. */
export interface DraftOptions {
  readonly names: DigestNames;
  /** Hears of the bytes as they come. @throws what the body is to fail with */
  took(chunk: Uint8Array): void;
}

/**
 * Writes a body to a file that is not there yet.
 * @throws {IsopodError} `value_too_large`, `binding_failed` when it is given up; what the body or `took` fails with. The
 * file is the caller's to remove.
 */
export async function writeDraft(
  path: string,
  { body, signal }: Incoming,
  { names, took }: DraftOptions,
): Promise<Draft> {
  const file = await open(path, "wx", 0o600);
  const digests = new Digests(names);
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
      took(value);
      digests.update(value);
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
  const { md5 = "", sha256 = "", ...rest } = digests.hex();
  return { bytes, digests: { ...rest, md5, sha256 } };
}

/** Holds the hashes of a body against those that it must have. @throws {IsopodError} `integrity_mismatch` */
export function checkDigests(found: Checksums, wanted: Checksums): void {
  for (const name of Object.keys(wanted) as (keyof Checksums)[]) {
    if (found[name] !== wanted[name]) throw mismatch(name);
  }
}
