/**
 * What is at hand of an answer that arrives: its last bytes in memory, and before them, where somebody is slow, the bytes
 * of a file. Places are counted in bytes from the answer's beginning.
 */
import type { OverflowFile } from "./overflow.ts";

interface Piece {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** As much is given at a time. */
const GIVEN_BYTES = 256 * 1024;

/** The tail. */
export class Tail {
  readonly #newFile: () => OverflowFile;
  #pieces: Piece[] = [];
  #file: OverflowFile | undefined;
  /** Where the file begins, and where what is in memory does. */
  #fileFrom = 0;
  #memoryFrom = 0;
  #to = 0;
  #spilling: Promise<boolean> | undefined;

  /** @param newFile makes a file for what does not stay in memory */
  constructor(newFile: () => OverflowFile) {
    this.#newFile = newFile;
  }

  /** The first place that is at hand. */
  get from(): number {
    return this.#file === undefined ? this.#memoryFrom : this.#fileFrom;
  }

  /** Behind the last byte. */
  get to(): number {
    return this.#to;
  }

  get memoryBytes(): number {
    return this.#to - this.#memoryFrom;
  }

  /** Adds bytes, which are copied: the sender may use them again. */
  add(bytes: Uint8Array): void {
    this.#pieces.push({ at: this.#to, bytes: bytes.slice() });
    this.#to += bytes.length;
  }

  /** All of it in one piece, which takes the place of the others; only while nothing was forgotten. */
  joined(): Uint8Array {
    const bytes = Buffer.concat(this.#pieces.map((piece) => piece.bytes));
    this.#pieces = bytes.length === 0 ? [] : [{ at: 0, bytes }];
    return bytes;
  }

  /** Some of what stands from a place on, which is at hand. @throws {Error} when the file is lost */
  read(at: number): Uint8Array | Promise<Uint8Array> {
    if (at < this.#memoryFrom) {
      if (this.#file === undefined) throw new Error("Cannot read on: the bytes are not there any more");
      return this.#file.read(at - this.#fileFrom, Math.min(GIVEN_BYTES, this.#memoryFrom - at));
    }
    const piece = this.#pieces[this.#find(at)];
    if (piece === undefined) return new Uint8Array();
    return piece.bytes.subarray(at - piece.at, at - piece.at + GIVEN_BYTES);
  }

  /** Forgets what stands before a place. */
  trim(least: number): void {
    if (this.#file !== undefined && least >= this.#memoryFrom) this.#endFile();
    let count = 0;
    for (const { at, bytes } of this.#pieces) {
      if (at + bytes.length > least) break;
      count += 1;
      this.#memoryFrom = at + bytes.length;
    }
    if (count > 0) this.#pieces.splice(0, count);
  }

  /** Moves what comes first into a file, until at most so many bytes are in memory; false when that cannot be. */
  spill(memoryBytesMax: number): Promise<boolean> {
    this.#spilling ??= this.#spillAll(memoryBytesMax).finally(() => {
      this.#spilling = undefined;
    });
    return this.#spilling;
  }

  async #spillAll(memoryBytesMax: number): Promise<boolean> {
    while (this.memoryBytes > memoryBytesMax) {
      const [piece] = this.#pieces;
      if (piece === undefined) return true;
      if (this.#file === undefined) {
        this.#file = this.#newFile();
        this.#fileFrom = piece.at;
      }
      const file = this.#file;
      const isWritten = await file.append(piece.bytes);
      // Meanwhile whoever needed it may have read it.
      if (this.#file !== file) continue;
      if (!isWritten) {
        this.#endFile();
        return false;
      }
      if (this.#pieces[0] !== piece) continue;
      this.#pieces.shift();
      this.#memoryFrom = piece.at + piece.bytes.length;
    }
    return true;
  }

  /** Forgets everything. */
  end(): void {
    this.#endFile();
    this.#pieces = [];
    this.#memoryFrom = this.#to;
  }

  #endFile(): void {
    this.#file?.end();
    this.#file = undefined;
  }

  /** The number of the piece that holds a place: the last that begins at it or before. */
  #find(at: number): number {
    let [low, high] = [0, this.#pieces.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#pieces[middle] as Piece).at <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
