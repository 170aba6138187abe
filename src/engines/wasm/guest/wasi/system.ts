/** What one invocation of a command has: its memory, what it was started with, its streams, its files. */
import { AbiFault, type GuestMemory } from "../guest_memory.ts";
import { Descriptors } from "./files/descriptors.ts";
import type { FolderNode } from "./files/nodes.ts";
import { WasiMemory } from "./memory.ts";

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Ends a command from within. */
export class CommandExit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exited with code ${code}`);
    this.code = code;
  }
}

/** What a command is started with. */
export interface CommandInput {
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  /** Folders that are open from the beginning, by their names. */
  readonly folders: ReadonlyMap<string, FolderNode>;
  /** Whether some of them are filled from buckets. */
  readonly hasBuckets: boolean;
  /** Takes what is written to standard error. */
  stderr(bytes: Uint8Array): void;
}

/** One invocation. */
export class WasiSystem {
  readonly memory: WasiMemory;
  readonly input: CommandInput;
  readonly descriptors: Descriptors;
  readonly #output: Uint8Array[] = [];
  #outputBytes = 0;
  #readBytes = 0;

  /** @param owner has the memory, once there is an instance */
  constructor(owner: { readonly memory: GuestMemory }, input: CommandInput) {
    this.memory = new WasiMemory(owner);
    this.input = input;
    this.descriptors = new Descriptors(input.folders);
  }

  /** What was written to standard output. */
  output(): Uint8Array {
    return Bun.concatArrayBuffers(this.#output, Number.POSITIVE_INFINITY, true);
  }

  /** Takes what is written to a stream. @throws {AbiFault} when it is more than an answer may be */
  write(stream: number, bytes: Uint8Array): void {
    if (stream !== 1) return this.input.stderr(bytes);
    this.#outputBytes += bytes.length;
    if (this.#outputBytes > OUTPUT_BYTES_MAX) throw new AbiFault(`fd_write: over ${OUTPUT_BYTES_MAX} bytes of output`);
    this.#output.push(bytes.slice());
  }

  /** Copies what is left of standard input into `target`: the number of bytes. */
  read(target: Uint8Array): number {
    const rest = this.input.stdin.subarray(this.#readBytes, this.#readBytes + target.length);
    target.set(rest);
    this.#readBytes += rest.length;
    return rest.length;
  }

  /** Bytes of standard input that nobody has read. */
  get unread(): number {
    return this.input.stdin.length - this.#readBytes;
  }
}
