/**
 * The memory of one invocation, as the host functions of an ABI read and write it: every pointer and every size that a
 * module passes is held against what there is.
 */

/** A pointer or a size as it comes from a module: signed, of 32 or 64 bits. */
export type Word = number | bigint;

/** A module has passed what no correct module passes; it ends as by a trap. */
export class AbiFault extends Error {
  override name = "AbiFault";
}

const decoder = new TextDecoder();

/** The memory. */
export class GuestMemory {
  readonly memory: WebAssembly.Memory;

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
  }

  /** The bytes themselves, valid until the module runs on. @throws {AbiFault} when they are not all inside the memory */
  view(action: string, pointer: Word, size: Word): Uint8Array {
    const start = Number(pointer) >>> 0;
    const { buffer } = this.memory;
    const length = Number(size);
    if (length < 0 || start + length > buffer.byteLength) {
      throw new AbiFault(
        `${action}: pointer ${start} and size ${size} lie outside the memory of ${buffer.byteLength} bytes`,
      );
    }
    return new Uint8Array(buffer, start, length);
  }

  /** The text there, in UTF-8. @throws {AbiFault} */
  text(action: string, pointer: Word, size: Word): string {
    return decoder.decode(this.view(action, pointer, size));
  }

  /**
   * Copies `value` to where there is room for all of it, and to nowhere else.
   * @returns its size, or -1 when there is none
   */
  give(action: string, value: Uint8Array | undefined, pointer: Word, size: Word): bigint {
    const room = this.view(action, pointer, size);
    if (value === undefined) return -1n;
    if (value.length <= room.length) room.set(value);
    return BigInt(value.length);
  }
}
