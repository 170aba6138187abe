/**
 * Header lists in the form that answers are made of, for those lists that come again and again.
 *
 * The pool hands out the very same list for the same head: making `Headers` of it once, and copying them natively, is
 * a third of the cost of handing the pairs over each time.
 */
import type { HeaderList } from "../core/invocation.ts";

/** Lists that are remembered. */
const REMEMBERED_MAX = 8;

/** The lists that were seen last. */
export class HeaderTemplates {
  readonly #lists: (HeaderList | undefined)[] = new Array(REMEMBERED_MAX).fill(undefined);
  readonly #headers: (Headers | undefined)[] = new Array(REMEMBERED_MAX).fill(undefined);
  #next = 0;

  /** `list` with one header beside it, to be copied at once; undefined when it has not been seen before. */
  of(list: HeaderList, name: string, value: string): Headers | undefined {
    const index = this.#lists.indexOf(list);
    if (index < 0) {
      this.#lists[this.#next] = list;
      this.#headers[this.#next] = undefined;
      this.#next = (this.#next + 1) % REMEMBERED_MAX;
      return undefined;
    }
    const headers = this.#headers[index] ?? new Headers(list as [string, string][]);
    this.#headers[index] = headers;
    headers.set(name, value);
    return headers;
  }
}
