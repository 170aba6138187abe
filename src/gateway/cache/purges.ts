/**
 * The purges of a while: what was asked for before one, and comes after it, is not kept.
 *
 * A list of what was purged and not of what is on its way, so that a request pays nothing for it. It is bounded: where a
 * project's is full, what began before the oldest purge in it counts as purged.
 */
import type { CachePurge } from "../../core/cache_admin.ts";

/** An answer, as far as purges choose. */
export interface PurgedAnswer {
  readonly functionName: string | undefined;
  readonly url: string;
  readonly tags: readonly string[];
}

interface ProjectPurges {
  /** By what they mean: of two that mean the same the later one counts. */
  readonly purges: Map<string, { readonly at: number; readonly purge: CachePurge; readonly length: number }>;
  length: number;
  /** What began before is not kept. */
  floor: number;
}

/** Of a project's purges together: their addresses and tags, and what each takes beside them. */
const LENGTH_MAX = 512 * 1024;
const PURGE_LENGTH = 100;
const PROJECTS_MAX = 10_000;

/** Whether a purge means an answer: of the function, and of one of the addresses or tags, as far as they are named. */
export function isMeant({ functionName, urls, tags }: Omit<CachePurge, "project">, answer: PurgedAnswer): boolean {
  if (functionName !== undefined && answer.functionName !== functionName) return false;
  if (urls === undefined && tags === undefined) return true;
  return (urls?.includes(answer.url) ?? false) || answer.tags.some((tag) => tags?.includes(tag) ?? false);
}

/** The purges. */
export class Purges {
  readonly #byProject = new Map<string, ProjectPurges>();
  #now = 0;
  /** Of the projects that are not remembered. */
  #floor = 0;

  /** The moment, for who begins now. */
  get now(): number {
    return this.#now;
  }

  add(purge: CachePurge): void {
    this.#now += 1;
    const { project, functionName, urls, tags } = purge;
    const own = this.#byProject.get(project) ?? { purges: new Map(), length: 0, floor: this.#floor };
    this.#byProject.delete(project);
    this.#byProject.set(project, own);
    const name = JSON.stringify([functionName, urls, tags]);
    own.length -= own.purges.get(name)?.length ?? 0;
    own.purges.delete(name);
    const length = name.length + PURGE_LENGTH;
    own.purges.set(name, { at: this.#now, purge, length });
    own.length += length;
    for (const [oldest, { at, length: freed }] of own.purges) {
      if (own.length <= LENGTH_MAX) break;
      own.purges.delete(oldest);
      own.length -= freed;
      own.floor = at;
    }
    if (this.#byProject.size <= PROJECTS_MAX) return;
    const [first = ""] = this.#byProject.keys();
    this.#byProject.delete(first);
    this.#floor = this.#now;
  }

  /** Whether an answer that was asked for at the moment `since` was purged meanwhile. */
  has(project: string, since: number, answer: PurgedAnswer): boolean {
    const own = this.#byProject.get(project);
    if (since === this.#now) return false;
    if (since < (own?.floor ?? this.#floor)) return true;
    if (own === undefined) return false;
    for (const { at, purge } of own.purges.values()) if (at > since && isMeant(purge, answer)) return true;
    return false;
  }
}
