/**
 * Finds the word that somebody probably meant: for error messages about names that are not known.
 *
 * The distance counts insertions, deletions, replacements and swaps of neighbours. Case, `-` and `_` do not count.
 */

const LENGTH_MAX = 64;

/**
 * The word of `known` that is nearest to `word`, or undefined when none is near enough to be meant.
 *
 * @example nearest("wal_ms", ["wall_ms", "cpu_ms"]) // "wall_ms"
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > LENGTH_MAX) return undefined;
  const meant = simplify(word);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    if (candidate.length > LENGTH_MAX) continue;
    const target = simplify(candidate);
    const allowed = Math.max(1, Math.floor(Math.max(meant.length, target.length) / 3));
    const found = distance(meant, target);
    if (found <= allowed && found < Math.min(bestDistance, target.length)) {
      best = candidate;
      bestDistance = found;
    }
  }
  return best;
}

function simplify(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, "");
}

/** Edits between two words, with three rows of the table in hand. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = (last[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      let cost = Math.min(replaced, (last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      }
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? 0;
}
