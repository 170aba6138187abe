/**
 * Programs that were fetched, in memory: what stands at a URL, and the contents by their hash.
 *
 * Equal contents are held once. Both the contents and what is remembered of URLs count against one bound of bytes;
 * the least recently used URLs leave first.
 */
import type { Language } from "../../core/function.ts";
import { type Linked, RecencyList } from "../../stdx/recency_list.ts";

/** What stood at a URL. */
export interface CachedSource {
  /** Where it was in the end, redirects followed. */
  readonly url: string;
  readonly bytes: Uint8Array;
  readonly hash: string;
  readonly immutable: boolean;
  readonly language: Language;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** By the clock's `now`; before it nothing needs to be asked again. */
  readonly freshUntil: number;
}

interface Entry extends Linked<Entry> {
  readonly key: string;
  readonly source: CachedSource;
  readonly cost: number;
}

interface Content {
  readonly bytes: Uint8Array;
  uses: number;
}

/** About what an entry takes beside its strings. */
const ENTRY_BYTES = 512;

/** The cache. */
export class SourceCache {
  readonly #bytesMax: number;
  readonly #entries = new Map<string, Entry>();
  readonly #recency = new RecencyList<Entry>();
  readonly #contents = new Map<string, Content>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes that are held, as they are counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is known of `key`, which becomes the most recently used. */
  get(key: string): CachedSource | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#recency.delete(entry);
    this.#recency.push(entry);
    return entry.source;
  }

  /** Remembers `source`; what is larger than the whole cache is not. The answer has the bytes that are held. */
  set(key: string, source: CachedSource): CachedSource {
    this.delete(key);
    const held = this.#contents.get(source.hash)?.bytes ?? source.bytes;
    const kept: CachedSource = { ...source, bytes: held };
    const texts = key.length + source.url.length + (source.etag?.length ?? 0) + (source.lastModified?.length ?? 0);
    const cost = ENTRY_BYTES + 2 * texts;
    if (cost + held.length > this.#bytesMax) return kept;
    const entry: Entry = { key, source: kept, cost, older: undefined, newer: undefined };
    this.#entries.set(key, entry);
    this.#recency.push(entry);
    this.#bytes += cost;
    this.#hold(kept);
    while (this.#bytes > this.#bytesMax && this.#recency.oldest !== undefined) this.delete(this.#recency.oldest.key);
    return kept;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#recency.delete(entry);
    this.#bytes -= entry.cost;
    const content = this.#contents.get(entry.source.hash);
    if (content === undefined) return;
    content.uses -= 1;
    if (content.uses > 0) return;
    this.#contents.delete(entry.source.hash);
    this.#bytes -= content.bytes.length;
  }

  #hold({ hash, bytes }: CachedSource): void {
    const content = this.#contents.get(hash);
    if (content !== undefined) {
      content.uses += 1;
      return;
    }
    this.#contents.set(hash, { bytes, uses: 1 });
    this.#bytes += bytes.length;
  }
}
