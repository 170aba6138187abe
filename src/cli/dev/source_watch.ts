/**
 * Watches the source files of folders, and what is below them. Packages and what is hidden are left out, so that the
 * server's own data there wakes nobody and a large `node_modules` costs nothing.
 */
import { type FSWatcher, readdirSync, statSync, watch } from "node:fs";
import { join } from "node:path";

/** A burst of changes counts as one after this long, in milliseconds: an editor writes a file in several steps. */
const SETTLE_MS = 15;
const FOLDERS_MAX = 4096;

/** The watch. */
export class SourceWatch {
  readonly #changed: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  /** What has changed since the last time. */
  readonly #seen = new Set<string>();
  #settling: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  /** @param changed is called when files have come, gone or been written */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Whether there were more folders than are watched. */
  get isFull(): boolean {
    return this.#watchers.size >= FOLDERS_MAX;
  }

  /** Watches `folder` as well; once is enough. One that is not there is left out. */
  follow(folder: string): void {
    if (this.#closed || this.isFull || this.#watchers.has(folder)) return;
    try {
      const watcher = watch(folder, (_, name) => this.#notice(folder, name));
      watcher.on("error", () => this.#forget(folder));
      this.#watchers.set(folder, watcher);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory() && !isLeftOut(entry.name)) this.follow(join(folder, entry.name));
      }
    } catch {
      this.#forget(folder);
    }
  }

  /** Watches no longer. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#settling);
    for (const folder of this.#watchers.keys()) this.#forget(folder);
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }

  #notice(folder: string, name: string | null): void {
    if (name !== null && isLeftOut(name)) return;
    this.#seen.add(name === null ? folder : join(folder, name));
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      for (const path of this.#seen) {
        // A folder that is gone takes its watch along; one that has come in its place needs another.
        if (!isFolder(path)) this.#forget(path);
        else this.follow(path);
      }
      this.#seen.clear();
      this.#changed();
    }, SETTLE_MS);
  }
}

function isLeftOut(name: string): boolean {
  return name === "node_modules" || name.endsWith("~") || (name.startsWith(".") && name !== ".env");
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
