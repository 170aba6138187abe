/** What files, folders and links have in common, and the room that those of one invocation share. */
import { refuse } from "../numbers.ts";

/** What a file, a folder or a link takes beside its bytes and its name. */
export const NODE_BYTES = 512;
const NANOSECONDS_A_MS = 1_000_000n;

/** What one invocation may write, in bytes. */
export class Room {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes `bytes`, or gives them back where that is negative. @throws {Refusal} when they are not there */
  take(bytes: number): void {
    if (bytes > this.#left) refuse("nospc");
    this.#left -= bytes;
  }
}

/** The next number of a node; numbers are never used again within an instance. */
let nextNumber = 1n;

/** Something that a name can stand for. */
export abstract class AnyNode {
  abstract readonly type: number;
  readonly number: bigint;
  /** Undefined for what is read-only. */
  readonly room: Room | undefined;
  /** In how many folders it is. */
  links = 0;
  /** In nanoseconds since the epoch, as all times are. */
  accessed = 0n;
  modified = 0n;
  changed = 0n;

  constructor(room: Room | undefined, number: bigint | undefined) {
    this.number = number ?? nextNumber;
    if (number === undefined) nextNumber += 1n;
    this.room = room;
    if (room === undefined) return;
    room.take(NODE_BYTES);
    this.accessed = now();
    this.touch();
  }

  /** Its contents are others from now on. */
  touch(): void {
    this.modified = now();
    this.changed = this.modified;
  }

  /** @throws {Refusal} when it is read-only */
  writable(): Room {
    return this.room ?? refuse("rofs");
  }

  /** Gives its room back once it is in no folder and nobody has it open. */
  abstract free(): void;
}

/** The time, in nanoseconds since the epoch. */
export function now(): bigint {
  return BigInt(Date.now()) * NANOSECONDS_A_MS;
}
