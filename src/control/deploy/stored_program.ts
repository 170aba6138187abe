/**
 * A version of the store as a program of the `process` engine: its files at `/var/task`, its layers at `/opt`, started and
 * spoken to as its settings say. Without settings its entry is started, and speaks AWS's Runtime API.
 */
import { posix } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import type { FileTree, ProcessProgram, ProcessSettings } from "../../core/process_program.ts";
import type { BlobStore } from "../../core/store.ts";
import { hashOf } from "../../stdx/hash.ts";
import { GRACE_RULE } from "../config/process_rules.ts";
import type { Manifest } from "./records.ts";

/** The program of a version; the bytes of its files are read when they are laid. */
export function storedProgram(blobs: BlobStore, { entry, exportName, files, settings: own }: Manifest): ProcessProgram {
  const code = treeOf(
    blobs,
    files.filter(({ layer }) => layer === undefined),
  );
  const numbers = [...new Set(files.flatMap(({ layer }) => layer ?? []))].sort((first, second) => first - second);
  const layers = numbers.map((number) =>
    treeOf(
      blobs,
      files.filter(({ layer }) => layer === number),
    ),
  );
  const { command = [`/var/task/${entry}`], ...said } =
    own.process ??
    ({
      ...{ dialect: "runtime-api", event: "http", lines: "streams", graceMs: GRACE_RULE.default },
      handler: exportName,
    } satisfies ProcessSettings);
  const settings: ProcessSettings = { ...said, command };
  const hash = hashOf(JSON.stringify([code.hash, layers.map((layer) => layer.hash), settings]));
  return { kind: "process", name: posix.basename(entry), hash, code, layers, settings };
}

/** Files of the store as a tree. */
export function treeOf(blobs: BlobStore, files: Manifest["files"]): FileTree {
  // Who deploys without saying anything of modes has files that can be executed, and need not be.
  const entries = files.map(({ path, hash, executable = true }) => ({ path, hash, isExecutable: executable }));
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
