/** What whoever administers a project does with what is cached for it. */

/**
 * What is to be forgotten of a project: of one function or of all, what has one of the addresses or one of the tags;
 * everything when neither is named.
 */
export interface CachePurge {
  readonly project: string;
  readonly functionName?: string | undefined;
  /** Whole addresses, as they were asked for. */
  readonly urls?: readonly string[] | undefined;
  /** Of answers that named one of them in `Cache-Tag`. */
  readonly tags?: readonly string[] | undefined;
}

/** The caches of all projects. */
export interface CacheAdmin {
  /** Forgets; how many answers that were. */
  purge(purge: CachePurge): number;
}
