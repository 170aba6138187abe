/** The files of an app: which one it begins with, and whether any has changed. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import { hashOf } from "../../stdx/hash.ts";

/** What is known of an app's folder. */
export interface AppFiles {
  /** Absolute path of the file that it begins with. */
  readonly entry: string;
  /** Another one when a file has come, gone, or been written. */
  readonly fingerprint: string;
}

const ENTRY = /^(index|main)\.([mc]?[jt]s|[jt]sx)$/;
/** Packages are too many to look at each time; who changes them touches the app. */
const NOT_LOOKED_AT = new Set(["node_modules"]);
const FILES_MAX = 10_000;

/** The folders in `folder`, by name; hidden ones are left out. */
export async function listFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const folders = entries.filter(
    (entry) => entry.isDirectory() && !entry.name.startsWith(".") && !NOT_LOOKED_AT.has(entry.name),
  );
  return folders.map((entry) => join(folder, entry.name)).sort();
}

/** Looks at an app. @throws {IsopodError} `not_found` when it has no entry */
export async function readAppFiles(folder: string): Promise<AppFiles> {
  const seen: string[] = [];
  await look(folder, seen);
  const names = (await readdir(folder)).filter((name) => ENTRY.test(name)).sort();
  const [entry] = names;
  if (entry === undefined) {
    throw new IsopodError("not_found", { message: "The app has no index.ts, main.ts or the like." });
  }
  return { entry: join(folder, entry), fingerprint: hashOf([folder, ...seen.sort()].join("\n")) };
}

async function look(folder: string, seen: string[]): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".") || NOT_LOOKED_AT.has(entry.name) || seen.length >= FILES_MAX) continue;
    if (entry.isDirectory()) await look(path, seen);
    else {
      const { mtimeMs, size, ino } = await stat(path);
      seen.push(`${path} ${mtimeMs} ${size} ${ino}`);
    }
  }
}
