/**
 * A version of the store as a program of the `process` engine: its files at `/var/task`, its entry started there and
 * spoken to by AWS's Runtime API, which is the only dialect that a deploy can ask for.
 */
import { posix } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import type { FileTree, ProcessProgram, ProcessSettings } from "../../core/process_program.ts";
import type { BlobStore } from "../../core/store.ts";
import { hashOf } from "../../stdx/hash.ts";
import { GRACE_RULE } from "../config/process_rules.ts";
import type { Manifest } from "./records.ts";

/** The program of a version; the bytes of its files are read when they are laid. */
export function storedProgram(blobs: BlobStore, { entry, exportName, files }: Manifest): ProcessProgram {
  const code = blobTree(blobs, files);
  const settings: ProcessSettings = {
    ...{ dialect: "runtime-api", event: "http", lines: "streams", graceMs: GRACE_RULE.default },
    ...{ command: [`/var/task/${entry}`], handler: exportName },
  };
  const hash = hashOf(JSON.stringify([code.hash, settings]));
  return { kind: "process", name: posix.basename(entry), hash, code, layers: [], settings };
}

/** Files of a version as a tree. */
export function blobTree(blobs: BlobStore, files: Manifest["files"]): FileTree {
  // A deploy says nothing of modes, and a file that may be executed need not be.
  const entries = files.map(({ path, hash }) => ({ path, hash, isExecutable: true }));
  return {
    hash: hashOf(JSON.stringify(entries)),
    entries,
    async read({ path, hash = "" }) {
      const bytes = await blobs.read(hash);
      if (bytes === undefined) throw new IsopodError("internal", { cause: `the blob of ${path} is gone` });
      return bytes;
    },
  };
}
