/**
 * Randomness of an instance that was forked: what its zygote had drawn ahead, its siblings have too.
 *
 * The generator of BoringSSL notices a fork by itself. Two things do not: the store of random bytes that Bun keeps for
 * small draws (UUIDs, `getRandomValues`), which is used up here, and `Math.random`, whose state cannot be set, which is
 * replaced by one that draws from the generator.
 */

/** More than Bun draws ahead, which is 8 KiB, in pieces that come out of it: those of up to 512 bytes do. */
const DRAWN_AHEAD_BYTES = 16 * 1024;
const PIECE_BYTES = 256;

/** Numbers that `Math.random` draws at a time. */
const DRAWS = 256;

/** Makes all random numbers from here on this process's own. */
export function reseed(): void {
  const piece = new Uint8Array(PIECE_BYTES);
  for (let drawn = 0; drawn < DRAWN_AHEAD_BYTES; drawn += PIECE_BYTES) crypto.getRandomValues(piece);
  Math.random = ownRandom();
}

/** `Math.random` as the language has it: 52 bits, from 0 to below 1. */
function ownRandom(): () => number {
  // Taken now: a program may put its own in their place, and would then be asked for its own random numbers.
  const fill = crypto.getRandomValues.bind(crypto);
  const halves = new Uint32Array(DRAWS * 2);
  let at = halves.length;
  const { random } = {
    random(): number {
      if (at === halves.length) {
        fill(halves);
        at = 0;
      }
      const high = (halves[at++] as number) >>> 6;
      const low = (halves[at++] as number) >>> 6;
      return (high * 0x4000000 + low) / 0x10000000000000;
    },
  };
  return random;
}
