/**
 * Header lists in the form that answers are made of, for those lists that come again and again.
 *
 * The pool hands out the very same list for the same head: making `Headers` of it once, and copying them natively, is
 * a third of the cost of handing the pairs over each time.
 */
import type { HeaderList } from "../core/invocation.ts";
import { shortVersion } from "./version_choice.ts";

/** On answers of functions: which version gave them. */
export const VERSION_HEADER = "isopod-version";

/** Lists that are remembered. */
const REMEMBERED_MAX = 8;

/** The lists that were seen last. */
export class HeaderTemplates {
  readonly #lists: (HeaderList | undefined)[] = new Array(REMEMBERED_MAX).fill(undefined);
  readonly #headers: (Headers | undefined)[] = new Array(REMEMBERED_MAX).fill(undefined);
  /** The version that each names, as `isopod-version`. */
  readonly #versions: (string | undefined)[] = new Array(REMEMBERED_MAX).fill(undefined);
  #next = 0;

  /**
   * `list` with one header beside it, and the short form of `version`, to be copied at once; undefined when it has not
   * been seen before.
   */
  of(list: HeaderList, name: string, value: string, version: string | undefined): Headers | undefined {
    const index = this.#lists.indexOf(list);
    if (index < 0) {
      this.#lists[this.#next] = list;
      this.#headers[this.#next] = undefined;
      this.#versions[this.#next] = undefined;
      this.#next = (this.#next + 1) % REMEMBERED_MAX;
      return undefined;
    }
    const headers = this.#headers[index] ?? new Headers(list as [string, string][]);
    this.#headers[index] = headers;
    if (this.#versions[index] !== version) {
      if (version === undefined) headers.delete(VERSION_HEADER);
      else headers.set(VERSION_HEADER, shortVersion(version));
      this.#versions[index] = version;
    }
    headers.set(name, value);
    return headers;
  }
}
