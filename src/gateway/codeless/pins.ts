/**
 * Programs that were pinned: registered by their hash, so that plans with `run = "pinned"` may run them.
 *
 * Each is one file in a directory, named by the hash of its bytes and its language, and written so that a crash
 * leaves it whole or not at all. What is read is held against its name, so a file that was tampered with or has
 * rotted is never run. Who may pin is not decided here.
 */
import { mkdir, readdir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import type { Language } from "../../core/function.ts";
import { hashOf } from "../../stdx/hash.ts";
import { isTemporary, writeWhole } from "./durable_file.ts";
import { PinMemory, type PinnedProgram } from "./pin_memory.ts";

/** Where pins are kept and how many there may be. */
export interface PinsOptions {
  /** Created when it is missing. */
  readonly directory: string;
  readonly countMax: number;
  /** Of all programs together. */
  readonly bytesMax: number;
  readonly codeBytesMax: number;
  /** Code that is held in memory beside the files; 64 MiB when left out. */
  readonly memoryBytesMax?: number;
}

/** A pin, without its code. */
export interface PinEntry {
  /** `sha256-<hex>` of the program's bytes. */
  readonly hash: string;
  readonly language: Language;
  readonly bytes: number;
  /** Milliseconds since the Unix epoch. */
  readonly pinnedAt: number;
}

/** The pinned programs. */
export interface Pins {
  /**
   * Pins a program and answers its hash; one that is pinned already stays as it is.
   * @throws {IsopodError} `bad_request` for text that is no UTF-8 or when there are too many pins, `code_too_large`.
   */
  pin(code: string, language: Language): Promise<string>;
  /**
   * The program, or undefined when it is not pinned.
   * @throws {Error} when its file is not what its name says.
   */
  get(hash: string): Promise<PinnedProgram | undefined>;
  has(hash: string): boolean;
  /** All pins, the oldest first. */
  list(): readonly PinEntry[];
  /** Forgets a pin; false when there is none. */
  unpin(hash: string): Promise<boolean>;
}

const EXTENSIONS = { typescript: ".ts", javascript: ".js" } as const;
const FILE_NAME = /^(sha256-[0-9a-f]{64})\.(ts|js)$/;
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Opens the directory and reads which pins there are; their code is read when it is asked for.
 * @throws {Error} when the directory cannot be used.
 */
export async function openPins(options: PinsOptions): Promise<Pins> {
  const { directory } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const entries: PinEntry[] = [];
  for (const name of await readdir(directory)) {
    // Left by a crash in the middle of a pin.
    if (isTemporary(name)) await unlink(join(directory, name));
    const [, hash, extension] = FILE_NAME.exec(name) ?? [];
    if (hash === undefined) continue;
    const { size, mtimeMs } = await stat(join(directory, name));
    entries.push({ hash, language: extension === "js" ? "javascript" : "typescript", bytes: size, pinnedAt: mtimeMs });
  }
  entries.sort((a, b) => a.pinnedAt - b.pinnedAt);
  return new FilePins(options, entries);
}

class FilePins implements Pins {
  readonly #options: PinsOptions;
  readonly #entries = new Map<string, PinEntry>();
  readonly #memory: PinMemory;
  #bytes = 0;
  /** Changes happen one after the other, so that the bounds hold. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PinsOptions, entries: readonly PinEntry[]) {
    this.#options = options;
    this.#memory = new PinMemory(options.memoryBytesMax ?? MEMORY_BYTES_MAX);
    for (const entry of entries) {
      if (this.#entries.has(entry.hash)) continue;
      this.#entries.set(entry.hash, entry);
      this.#bytes += entry.bytes;
    }
  }

  pin(code: string, language: Language): Promise<string> {
    return this.#inTurn(async () => {
      if (!code.isWellFormed())
        throw new IsopodError("bad_request", { message: "Cannot pin the program: it is not UTF-8." });
      const bytes = new TextEncoder().encode(code);
      const hash = hashOf(bytes);
      if (this.#entries.has(hash)) return hash;
      this.#checkRoom(bytes.length);
      await writeWhole(this.#options.directory, hash + EXTENSIONS[language], bytes);
      this.#entries.set(hash, { hash, language, bytes: bytes.length, pinnedAt: Date.now() });
      this.#bytes += bytes.length;
      return hash;
    });
  }

  async get(hash: string): Promise<PinnedProgram | undefined> {
    const held = this.#memory.get(hash);
    if (held !== undefined) return held;
    const entry = this.#entries.get(hash);
    if (entry === undefined) return undefined;
    const path = join(this.#options.directory, hash + EXTENSIONS[entry.language]);
    const bytes = await readFile(path);
    const found = hashOf(bytes);
    if (found !== hash) throw new Error(`Cannot read pin ${hash}: the file holds ${found} (${path})`);
    const program: PinnedProgram = { hash, code: decode(bytes), language: entry.language };
    if (this.#entries.has(hash)) this.#memory.set(program, bytes.length);
    return program;
  }

  has(hash: string): boolean {
    return this.#entries.has(hash);
  }

  list(): readonly PinEntry[] {
    return [...this.#entries.values()];
  }

  unpin(hash: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(hash);
      if (entry === undefined) return false;
      await unlink(join(this.#options.directory, hash + EXTENSIONS[entry.language]));
      this.#entries.delete(hash);
      this.#bytes -= entry.bytes;
      this.#memory.delete(hash);
      return true;
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }

  #checkRoom(bytes: number): void {
    const { codeBytesMax, countMax, bytesMax } = this.#options;
    if (bytes > codeBytesMax) {
      throw new IsopodError("code_too_large", {
        message: `Cannot pin the program: it has ${bytes} bytes, over ${codeBytesMax}.`,
        limit: { name: "codeBytesMax", value: codeBytesMax },
      });
    }
    const full = this.#entries.size >= countMax ? `${countMax} programs` : `${bytesMax} bytes of programs`;
    if (this.#entries.size < countMax && this.#bytes + bytes <= bytesMax) return;
    throw new IsopodError("bad_request", { message: `Cannot pin the program: no more than ${full} can be pinned.` });
  }
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
