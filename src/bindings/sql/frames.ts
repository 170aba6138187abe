/**
 * Messages between the host and a database's process: their length in four bytes, then their bytes. Both ends are ours;
 * what is in a message is another's and is checked where it is read.
 */

const HEAD_BYTES = 4;

/** Puts the length in front of a message. */
export function frame(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(HEAD_BYTES + length);
  new DataView(bytes.buffer).setUint32(0, length, true);
  let at = HEAD_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Puts chunks together to messages. */
export class FrameReader {
  readonly #lengthMax: number;
  #held: Uint8Array = new Uint8Array(0);
  #filled = 0;

  /** @param lengthMax the longest message that is taken, in bytes */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** The messages that are complete with `chunk`. @throws {RangeError} for one that is too long */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#filled === 0 && rest.length >= HEAD_BYTES) {
        const end = HEAD_BYTES + this.#lengthOf(rest);
        if (rest.length >= end) {
          yield rest.subarray(HEAD_BYTES, end);
          rest = rest.subarray(end);
          continue;
        }
      }
      rest = this.#hold(rest);
      const whole = this.#whole();
      if (whole !== undefined) yield whole;
    }
  }

  #lengthOf(bytes: Uint8Array): number {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    if (length > this.#lengthMax) throw new RangeError(`a message of ${length} bytes is over ${this.#lengthMax}`);
    return length;
  }

  /** Keeps what belongs to the message that has begun, and gives back the rest. */
  #hold(bytes: Uint8Array): Uint8Array {
    const wanted = this.#filled < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + this.#lengthOf(this.#held);
    const taken = bytes.subarray(0, wanted - this.#filled);
    if (this.#held.length < wanted) {
      const larger = new Uint8Array(wanted);
      larger.set(this.#held.subarray(0, this.#filled));
      this.#held = larger;
    }
    this.#held.set(taken, this.#filled);
    this.#filled += taken.length;
    return bytes.subarray(taken.length);
  }

  #whole(): Uint8Array | undefined {
    if (this.#filled < HEAD_BYTES) return undefined;
    const end = HEAD_BYTES + this.#lengthOf(this.#held);
    if (this.#filled < end) return undefined;
    const message = this.#held.subarray(HEAD_BYTES, end);
    this.#held = new Uint8Array(0);
    this.#filled = 0;
    return message;
  }
}
