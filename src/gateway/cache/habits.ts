/**
 * What was seen of answers, so that only those wait for one another that are likely to share one.
 *
 * An address whose last answer was for keeping is waited for; one whose last was not is not, for `FORGIVEN_MS`. Of an
 * address that is not known its version's last answer decides, and a version that has kept nothing yet is not waited for.
 */
import type { HeaderList } from "../../core/invocation.ts";

/** What was seen of the answers of one version or program. */
export interface Habit {
  /** Whether some were kept; while none was, nothing else here is looked at. */
  ever: boolean;
  /** Whether the last one was. */
  last: boolean;
  /** The last headers that say nothing of keeping: most functions give the same list each time. */
  silent: HeaderList | undefined;
}

interface Seen {
  readonly kept: boolean;
  readonly at: number;
  /** Names of what the answer varies by. */
  readonly vary: readonly string[];
}

const ADDRESSES_MAX = 20_000;
const FORGIVEN_MS = 60_000;
const NO_NAMES: readonly string[] = [];

/** A habit of which nothing is known. */
export function newHabit(): Habit {
  return { ever: false, last: false, silent: undefined };
}

/** What was seen at each address. */
export class Addresses {
  /** By a hash: an address may be long, and one taken for another costs a wait. */
  readonly #seen = new Map<bigint, Seen>();
  readonly #seed = crypto.getRandomValues(new BigUint64Array(1))[0];

  /** The last answer of the key was kept, or was not. */
  note(key: string, kept: boolean, vary: readonly string[], now: number): void {
    const name = this.#name(key);
    this.#seen.delete(name);
    this.#seen.set(name, { kept, at: now, vary });
    if (this.#seen.size <= ADDRESSES_MAX) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      break;
    }
  }

  /** By which headers requests for a key differ, when they are to wait for one another; undefined when they are not. */
  sharedBy(key: string, habit: Habit, now: number): readonly string[] | undefined {
    const seen = this.#seen.get(this.#name(key));
    if (seen?.kept) return seen.vary;
    const isUnknown = seen === undefined || now - seen.at > FORGIVEN_MS;
    return isUnknown && habit.last ? NO_NAMES : undefined;
  }

  #name(key: string): bigint {
    return Bun.hash.wyhash(key, this.#seed) as bigint;
  }
}
