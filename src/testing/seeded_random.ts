/** Random numbers from a seed, so that a property test which fails can be run again with what it failed on. */

/** A source of numbers. */
export interface SeededRandom {
  /** A whole number from 0 up to, and without, `bound`. */
  below(bound: number): number;
  /** Bytes of any value. */
  bytes(length: number): Uint8Array;
  /** One of `choices`. */
  pick<T>(choices: readonly T[]): T;
}

/** Creates a source; the same seed gives the same numbers (mulberry32). */
export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (bound: number) => next() % bound;
  return {
    below,
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
    pick: (choices) => choices[below(choices.length)] as (typeof choices)[number],
  };
}

/** Cuts `bytes` at random places; empty pieces among them. */
export function cut(random: SeededRandom, bytes: Uint8Array, longest: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(longest + 1);
    pieces.push(bytes.slice(at, at + size));
    at += size;
  }
  return pieces;
}
