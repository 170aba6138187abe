/**
 * The kept answers: found by key and what they vary by, bounded in bytes, each project with a share of its own.
 *
 * What is still arriving has its room here, too.
 */
import type { CachePurge } from "../../core/cache_admin.ts";
import { type Reservation, ShareList } from "../../stdx/share_list.ts";
import type { Entry } from "./entry.ts";
import { isFor } from "./policy.ts";
import { isMeant } from "./purges.ts";

/** Answers to one address that differ by what they vary by. */
const VARIANTS_MAX = 32;

/** The entries. */
export class Entries {
  readonly #byKey = new Map<string, Entry[]>();
  /** By project and address, of all functions and versions: what changes a resource forgets without a search. */
  readonly #byUrl = new Map<string, Set<Entry>>();
  /** How many there are of each function, by project. */
  readonly #counts = new Map<string, Map<string, number>>();
  readonly #list: ShareList<Entry>;

  constructor(bytesMax: number) {
    this.#list = new ShareList({ bytesMax }, (entry) => this.#forget(entry));
  }

  /** Bytes that are taken. */
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

  /** The functions of which answers are kept, by their projects. */
  functions(): [project: string, names: string[]][] {
    return [...this.#counts].map(([project, names]) => [project, [...names.keys()]]);
  }

  /** It was given: the others leave before it. */
  used(entry: Entry): void {
    this.#list.used(entry);
  }

  /** Room for an answer that is still arriving. */
  reserve(project: string, lost: () => void): Reservation {
    return this.#list.reserve(project, lost);
  }

  /** Keeps an answer in the place of the one for the same request. */
  put(entry: Entry, headers: Headers): void {
    const { key, project, url } = entry.parts;
    const before = this.find(key, headers);
    if (before !== undefined) this.remove(before);
    const variants = this.#byKey.get(key) ?? [];
    if (variants.length >= VARIANTS_MAX) this.remove(variants[0] as Entry);
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), entry]);
    const name = `${project} ${url}`;
    const ofUrl = this.#byUrl.get(name) ?? new Set();
    this.#byUrl.set(name, ofUrl.add(entry));
    this.#count(entry, 1);
    this.#list.add(entry);
  }

  remove(entry: Entry): void {
    this.#list.remove(entry);
  }

  /** Forgets; how many answers that were. */
  purge(purge: CachePurge): number {
    const { project, urls, tags } = purge;
    const found =
      urls !== undefined && tags === undefined
        ? urls.flatMap((url) => [...(this.#byUrl.get(`${project} ${url}`) ?? [])])
        : this.#list.of(project);
    let count = 0;
    for (const entry of found) {
      if (!isMeant(purge, entry.parts)) continue;
      this.remove(entry);
      count += 1;
    }
    return count;
  }

  #count({ parts: { project, functionName } }: Entry, more: number): void {
    if (functionName === undefined) return;
    const names = this.#counts.get(project) ?? new Map<string, number>();
    const count = (names.get(functionName) ?? 0) + more;
    if (count > 0) names.set(functionName, count);
    else names.delete(functionName);
    if (names.size > 0) this.#counts.set(project, names);
    else this.#counts.delete(project);
  }

  #forget(entry: Entry): void {
    this.#count(entry, -1);
    const { key, project, url } = entry.parts;
    const left = (this.#byKey.get(key) ?? []).filter((each) => each !== entry);
    if (left.length === 0) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
    const name = `${project} ${url}`;
    const ofUrl = this.#byUrl.get(name);
    if (ofUrl?.delete(entry) && ofUrl.size === 0) this.#byUrl.delete(name);
  }
}
