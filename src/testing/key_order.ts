/** The order of a store's keys, said once more than the stores say it, so that tests can compare. */
import type { StoreKey } from "../core/store.ts";

/** The order of keys: by segment, by the bytes of its UTF-8. */
export function compareKeys(first: StoreKey, second: StoreKey): number {
  for (const [index, segment] of first.entries()) {
    const other = second[index];
    if (other === undefined) return 1;
    const order = Buffer.compare(Buffer.from(segment), Buffer.from(other));
    if (order !== 0) return order;
  }
  return first.length - second.length;
}
