/** The kept answers: found by key and what they vary by, bounded in bytes, each project with a share of its own. */
import type { CachePurge } from "../../core/cache_admin.ts";
import { ShareList } from "../../stdx/share_list.ts";
import type { Entry } from "./entry.ts";
import { isFor } from "./policy.ts";

/** Answers to one address that differ by what they vary by. */
const VARIANTS_MAX = 32;

/** The entries. */
export class Entries {
  readonly #byKey = new Map<string, Entry[]>();
  readonly #list: ShareList<Entry>;

  constructor(bytesMax: number) {
    this.#list = new ShareList(bytesMax, (entry) => this.#forget(entry));
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#list.bytes;
  }

  /** The answer of a key for a request with these headers. */
  find(key: string, headers: Headers): Entry | undefined {
    const variants = this.#byKey.get(key);
    if (variants === undefined) return undefined;
    for (const entry of variants) if (isFor(entry.parts.lifetime, headers)) return entry;
    return undefined;
  }

  /** It was given: the others leave before it. */
  used(entry: Entry): void {
    this.#list.used(entry);
  }

  /** Keeps an answer in the place of the one for the same request. */
  put(entry: Entry, headers: Headers): void {
    const { key } = entry.parts;
    const before = this.find(key, headers);
    if (before !== undefined) this.remove(before);
    const variants = this.#byKey.get(key) ?? [];
    if (variants.length >= VARIANTS_MAX) this.remove(variants[0] as Entry);
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), entry]);
    this.#list.add(entry);
  }

  remove(entry: Entry): void {
    this.#list.remove(entry);
  }

  /** Forgets; how many answers that were. */
  purge({ project, functionName, urls, tags }: CachePurge): number {
    let count = 0;
    for (const entry of this.#list.of(project)) {
      const { parts } = entry;
      if (functionName !== undefined && parts.functionName !== functionName) continue;
      if (urls !== undefined && !urls.includes(parts.url)) continue;
      if (tags !== undefined && !parts.tags.some((tag) => tags.includes(tag))) continue;
      this.remove(entry);
      count += 1;
    }
    return count;
  }

  #forget(entry: Entry): void {
    const { key } = entry.parts;
    const left = (this.#byKey.get(key) ?? []).filter((each) => each !== entry);
    if (left.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
  }
}
