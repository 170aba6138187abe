/**
 * The kept answers: found by key and what they vary by, bounded in bytes, those that nobody asked for longest leave first.
 * Where there is no more room, the project that has most of it makes room, so that none can push another out.
 */
import type { CachePurge } from "../../core/cache_admin.ts";
import { RecencyList } from "../recency_list.ts";
import type { Entry } from "./entry.ts";
import { isFor } from "./policy.ts";

/** Answers to one address that differ by what they vary by. */
const VARIANTS_MAX = 32;

interface Share {
  readonly list: RecencyList<Entry>;
  bytes: number;
}

/** The entries. */
export class Entries {
  readonly #bytesMax: number;
  readonly #byKey = new Map<string, Entry[]>();
  readonly #shares = new Map<string, Share>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.#bytes;
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
    const share = this.#shares.get(entry.parts.project);
    if (share === undefined || share.list.size < 2 || !share.list.has(entry)) return;
    share.list.delete(entry);
    share.list.push(entry);
  }

  /** Keeps an answer in the place of the one for the same request. */
  put(entry: Entry, headers: Headers): void {
    const { key, project } = entry.parts;
    const before = this.find(key, headers);
    if (before !== undefined) this.remove(before);
    const variants = this.#byKey.get(key) ?? [];
    if (variants.length >= VARIANTS_MAX) this.remove(variants[0] as Entry);
    const kept = this.#byKey.get(key);
    if (kept === undefined) this.#byKey.set(key, [entry]);
    else kept.push(entry);
    const share = this.#shares.get(project) ?? { list: new RecencyList<Entry>(), bytes: 0 };
    this.#shares.set(project, share);
    share.list.push(entry);
    share.bytes += entry.bytes;
    this.#bytes += entry.bytes;
    while (this.#bytes > this.#bytesMax) this.remove(this.#largest().list.oldest as Entry);
  }

  remove(entry: Entry): void {
    const { key, project } = entry.parts;
    const share = this.#shares.get(project);
    if (share === undefined || !share.list.has(entry)) return;
    share.list.delete(entry);
    share.bytes -= entry.bytes;
    this.#bytes -= entry.bytes;
    if (share.list.size === 0) this.#shares.delete(project);
    const left = (this.#byKey.get(key) ?? []).filter((each) => each !== entry);
    if (left.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
  }

  /** Forgets; how many answers that were. */
  purge({ project, functionName, urls, tags }: CachePurge): number {
    const share = this.#shares.get(project);
    let count = 0;
    for (let entry = share?.list.oldest; entry !== undefined; ) {
      const next: Entry | undefined = entry.newer;
      const { parts } = entry;
      const isMeant =
        (functionName === undefined || parts.functionName === functionName) &&
        (urls === undefined || urls.includes(parts.url)) &&
        (tags === undefined || parts.tags.some((tag) => tags.includes(tag)));
      if (isMeant) {
        this.remove(entry);
        count += 1;
      }
      entry = next;
    }
    return count;
  }

  #largest(): Share {
    let largest: Share | undefined;
    for (const share of this.#shares.values()) if (share.bytes > (largest?.bytes ?? -1)) largest = share;
    return largest as Share;
  }
}
