/** Modules of this machine, with the files that they find in their folders. */
import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { FileTree } from "../../core/process_program.ts";
import {
  checkAbi,
  checkWasmBytes,
  type WasmFile,
  type WasmProgram,
  type WasmSettings,
} from "../../core/wasm_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { FunctionConfig } from "../config/config.ts";
import type { DiskTrees } from "./disk_trees.ts";

/** The module that `config` names. @throws {Error} naming what cannot be read */
export async function readWasmProgram(
  { path, wasm }: FunctionConfig,
  trees: DiskTrees,
  denied: ReadonlySet<string>,
): Promise<WasmProgram> {
  const bytes = await readFile(path);
  if (wasm?.files === undefined) return wasmProgram(basename(path), bytes, hashOf(bytes), wasm?.settings);
  const tree = await trees.read(wasm.files, new Set([...denied, realpathSync(path)]));
  return wasmProgram(basename(path), bytes, hashOf(bytes), wasm.settings, tree);
}

/** A program of a module whose hash is `hash`. @throws {Error} when it is too large with its files */
export async function wasmProgram(
  name: string,
  bytes: Uint8Array,
  hash: string,
  settings: WasmSettings = {},
  tree?: FileTree,
): Promise<WasmProgram> {
  checkAbi(name, bytes, settings.abi);
  const files: WasmFile[] = [];
  for (const entry of tree?.entries ?? []) {
    const { path, link } = entry;
    files.push({ path, contents: link === undefined ? ((await tree?.read(entry)) ?? NOTHING) : { link } });
    checkWasmBytes(bytes, files);
  }
  checkWasmBytes(bytes, files);
  const isPlain = files.length === 0 && Object.keys(settings).length === 0;
  return {
    ...{ kind: "wasm", name, bytes },
    hash: isPlain ? hash : hashOf(JSON.stringify([hash, tree?.hash, settings])),
    ...(!isPlain && { settings, files }),
  };
}

const NOTHING = new Uint8Array(0);
