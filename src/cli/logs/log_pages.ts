/** Reads pages of `GET /v1/logs`: the last records, or all since a time. */
import type { AdminClient } from "../reaching/admin_client.ts";
import type { LogItem } from "./log_lines.ts";

/** Records of one page. */
const PAGE_ITEMS = 1000;

interface LogPage {
  readonly items: readonly LogItem[];
  readonly next: string | null;
  readonly newest_id: number;
}

/** Whose records are meant: parameters of `GET /v1/logs` by their names there. */
export type LogQuery = Readonly<Record<string, string>>;

/** The path of a question. */
export function logPath(query: LogQuery): string {
  return `/v1/logs?${new URLSearchParams(query)}`;
}

/** The last `count` items, the oldest of them first, and the id after which newer ones come. */
export async function lastItems(
  client: AdminClient,
  query: LogQuery,
  count: number,
): Promise<{ readonly items: readonly LogItem[]; readonly newestId: number }> {
  const items: LogItem[] = [];
  let newestId: number | undefined;
  let cursor: string | null | undefined;
  do {
    // A page has an item at least; who wants none learns the newest id by it.
    const limit = String(Math.min(PAGE_ITEMS, Math.max(1, count - items.length)));
    const page: LogPage = await client.get(logPath({ ...query, order: "newest", limit, ...(cursor && { cursor }) }));
    newestId ??= Math.max(page.newest_id, page.items[0]?.id ?? 0);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null && items.length < count);
  return { items: items.slice(0, count).reverse(), newestId };
}

/** All items, the oldest first, as pages come; returns the id after which newer ones come. */
export async function* allItems(client: AdminClient, query: LogQuery): AsyncGenerator<LogItem, number> {
  let cursor: string | null = null;
  for (;;) {
    const limit = String(PAGE_ITEMS);
    const page: LogPage = await client.get(logPath({ ...query, order: "oldest", limit, ...(cursor && { cursor }) }));
    yield* page.items;
    if (page.next === null) return Math.max(page.newest_id, page.items.at(-1)?.id ?? 0, Number(cursor ?? 0));
    cursor = page.next;
  }
}
