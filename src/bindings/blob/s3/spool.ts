/**
 * Bodies on their way to the store, in files: it wants to know their length and hash before the first byte, and memory is
 * not where a stranger's gigabytes should wait. Nothing here outlives its call, nor the server.
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Incoming } from "../backend.ts";
import type { BodyPlace } from "../body_room.ts";
import { checkDigests, writeDraft } from "../draft.ts";
import { CHECKSUM_NAMES, type Checksums } from "../object.ts";
import { ended } from "../refused.ts";
import type { FileBody } from "./client.ts";

/** What a body must come to, and where it is counted. */
export interface Spooling {
  readonly checksums: Checksums;
  readonly place: BodyPlace;
}

/** The files. */
export class Spool {
  readonly #directory: string;

  /** Makes the folder, and removes what a crash has left in it. */
  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const left of readdirSync(directory)) rmSync(join(directory, left));
  }

  /**
   * Takes a body, and has it used while it is there.
   * @throws {IsopodError} `integrity_mismatch`, what `writeDraft` throws, and what `use` throws
   */
  async during<T>(incoming: Incoming, { checksums, place }: Spooling, use: (body: FileBody) => Promise<T>): Promise<T> {
    const path = join(this.#directory, crypto.randomUUID());
    const names = CHECKSUM_NAMES.filter((name) => checksums[name] !== undefined);
    try {
      const { bytes, digests } = await writeDraft(path, incoming, {
        names,
        took: (chunk) => place.take(chunk.length),
      });
      checkDigests(digests, checksums);
      if (incoming.signal.aborted) throw ended();
      return await use({ path, bytes, sha256: digests.sha256, md5: digests.md5 });
    } finally {
      place.leave();
      await rm(path, { force: true });
    }
  }
}
