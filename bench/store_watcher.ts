/** A process that watches a store (`bun store_watcher.ts DIRECTORY`), and says by IPC when it saw each change. */
import { openSqliteStore } from "../src/store/sqlite/store.ts";

process.on("disconnect", () => process.exit());
const store = openSqliteStore({ directory: process.argv[2] ?? "" });
for await (const { type } of store.watch(["watched"], { signal: new AbortController().signal })) {
  process.send?.({ type, seenAt: performance.timeOrigin + performance.now(), cpu: process.cpuUsage() });
}
