/**
 * Memories for invocations of a module that imports its memory. Each invocation has one that is all zeros and of the
 * size that the module asks for. Making one takes 20 µs, most of it the kernel's; so one that did not grow is used
 * again once its invocation is over, after all of it was set to zero, which takes a microsecond.
 */
import type { MemoryBounds } from "./sections.ts";

const PAGE_BYTES = 64 * 1024;
/** What is kept for later, in all: enough for 512 small modules that wait for something at the same time. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;
/** And no larger part of what the instance may use. */
const KEPT_PART = 4;
/** Setting more than this to zero takes longer than it saves. */
const REUSED_PAGES_MAX = 32;

/** The memories of one module. */
export class Memories {
  readonly #initial: number;
  readonly #maximum: number;
  readonly #keptBytesMax: number;
  readonly #kept: WebAssembly.Memory[] = [];

  /** @throws {RangeError} when the module asks for more than `memoryBytes` */
  constructor(bounds: MemoryBounds, memoryBytes: number) {
    const pagesMax = Math.floor(memoryBytes / PAGE_BYTES);
    this.#initial = bounds.initialPages;
    this.#keptBytesMax = Math.min(KEPT_BYTES_MAX, memoryBytes / KEPT_PART);
    this.#maximum = Math.min(bounds.maximumPages ?? pagesMax, pagesMax);
  }

  /** One that is all zeros. */
  take(): WebAssembly.Memory {
    return this.#kept.pop() ?? new WebAssembly.Memory({ initial: this.#initial, maximum: this.#maximum });
  }

  /** Takes back one that nothing runs on any more. */
  giveBack(memory: WebAssembly.Memory): void {
    const bytes = this.#initial * PAGE_BYTES;
    if (this.#initial > REUSED_PAGES_MAX || memory.buffer.byteLength !== bytes) return;
    if ((this.#kept.length + 1) * bytes > this.#keptBytesMax) return;
    new Uint8Array(memory.buffer).fill(0);
    this.#kept.push(memory);
  }
}

/** @throws {RangeError} when a module's memory cannot be had here */
export function checkMemory(bounds: MemoryBounds, memoryBytes: number): void {
  if (bounds.isShared) throw new RangeError("its memory is shared between threads, and there are none");
  if (bounds.is64) throw new RangeError("its memory is of 64 bits, which is not supported");
  const bytes = bounds.initialPages * PAGE_BYTES;
  if (bytes > memoryBytes) {
    throw new RangeError(
      `it begins with a memory of ${bytes} bytes, over its limit memory_mb = ${memoryBytes / 2 ** 20}`,
    );
  }
}
