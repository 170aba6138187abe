/**
 * Values that are too long for a row: a file each, beside the database.
 *
 * A file is whole and on the disk before a row names it, and is removed after no row does; so what a crash leaves are
 * files that no row names, which are removed when the project is opened again. Nothing here waits for the disk on the
 * event loop.
 */
import { readdirSync, rmSync } from "node:fs";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { IsopodError } from "../../core/errors.ts";
import { KV_LIMITS } from "./limits.ts";
import { tooLarge } from "./request.ts";
import type { KeptValue } from "./transactions.ts";

const CHUNK_BYTES = 128 * 1024;
/** Files that are written at a time; further ones wait. */
const UPLOADS_MAX = 8;

interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(reason?: unknown): Promise<void>;
}
type Next = () => ReturnType<Reader["read"]>;

/** The files of one project. */
export class ValueFiles {
  readonly #directory: string;
  readonly #waiting: (() => void)[] = [];
  #uploads = 0;

  constructor(directory: string) {
    this.#directory = join(directory, "files");
  }

  /** Removes the files that are not among `named`. Called before anything is written. */
  removeOthers(named: ReadonlySet<string>): void {
    for (const name of listOf(this.#directory)) if (!named.has(name)) rmSync(join(this.#directory, name));
  }

  /** Keeps a body: short ones in memory, for their row. @throws {IsopodError} `value_too_large`, `binding_failed` */
  async keep(body: ReadableStream<Uint8Array> | null, signal: AbortSignal): Promise<KeptValue> {
    if (body === null) return { inline: new Uint8Array(), file: null, bytes: 0 };
    const reader = body.getReader();
    const next = () => readWithin(reader, signal);
    const begun: Uint8Array[] = [];
    let bytes = 0;
    try {
      while (bytes <= KV_LIMITS.inlineBytesMax) {
        const { value, done } = await next();
        if (done || value === undefined) return { inline: Buffer.concat(begun), file: null, bytes };
        begun.push(value);
        bytes += value.length;
      }
      return await this.#upload(begun, next);
    } catch (error) {
      reader.cancel(error).catch(() => {});
      throw error;
    }
  }

  /** Opens a file to be read. @throws {Error} `ENOENT` when its value is not there any more */
  open(name: string): Promise<FileHandle> {
    return open(join(this.#directory, name), "r");
  }

  /** Removes a file that no row names any more. */
  async remove(name: string): Promise<void> {
    await rm(join(this.#directory, name), { force: true });
  }

  async #upload(begun: readonly Uint8Array[], next: Next): Promise<KeptValue> {
    while (this.#uploads >= UPLOADS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#uploads += 1;
    const name = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const bytes = await this.#write(name, begun, next);
      return { inline: null, file: name, bytes };
    } catch (error) {
      await this.remove(name);
      throw error;
    } finally {
      this.#uploads -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #write(name: string, begun: readonly Uint8Array[], next: Next): Promise<number> {
    const file = await open(join(this.#directory, name), "wx", 0o600);
    let bytes = 0;
    const add = async (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > KV_LIMITS.valueBytesMax) throw tooLarge();
      await file.writeFile(chunk);
    };
    try {
      for (const chunk of begun) await add(chunk);
      for (;;) {
        const { value, done } = await next();
        if (done || value === undefined) break;
        await add(value);
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    const folder = await open(this.#directory, "r");
    await folder.sync().finally(() => folder.close());
    return bytes;
  }
}

/** The next piece; a reader whose call has ended waits for nothing. @throws {IsopodError} `binding_failed` */
async function readWithin(reader: Reader, signal: AbortSignal): ReturnType<Next> {
  const cancel = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  try {
    const read = await reader.read();
    if (!signal.aborted) return read;
    throw new IsopodError("binding_failed", { message: "Cannot put: the call was ended" });
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function listOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** What is in a file of `bytes` bytes, as a stream that closes it; ends with an error when `signal` fires. */
export function streamOf(file: FileHandle, bytes: number, signal: AbortSignal): ReadableStream<Uint8Array> {
  let at = 0;
  let reading = false;
  let closed = false;
  // Never under a read: the number of a closed file may be another's at once.
  const close = async () => {
    closed = true;
    signal.removeEventListener("abort", abort);
    if (!reading) await file.close();
  };
  let fail: (error: unknown) => void = () => {};
  const abort = () => {
    fail(new IsopodError("binding_failed", { message: "Cannot read the value: the call was ended" }));
    close();
  };
  signal.addEventListener("abort", abort);
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        fail = (error) => controller.error(error);
        if (signal.aborted) abort();
      },
      async pull(controller) {
        const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes - at));
        reading = true;
        const { bytesRead } = await file.read(chunk, 0, chunk.length, at).finally(() => {
          reading = false;
        });
        if (closed) return file.close();
        at += bytesRead;
        if (bytesRead > 0) controller.enqueue(chunk.subarray(0, bytesRead));
        if (at < bytes && bytesRead > 0) return;
        await close();
        if (at < bytes) controller.error(new IsopodError("internal", { cause: "a file of KV is cut off" }));
        else controller.close();
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
}
