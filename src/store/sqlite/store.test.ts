import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "../../core/store.ts";
import { testStore } from "../../testing/store-suite.ts";
import { openSqliteStore } from "./store.ts";

testStore("SQLite", (clock) => {
  const directory = mkdtempSync(join(tmpdir(), "isopod-store-"));
  const opened: Store[] = [];
  return {
    open() {
      const store = openSqliteStore({ directory, clock });
      opened.push(store);
      return store;
    },
    async remove() {
      await Promise.all(opened.map((store) => store.close()));
      rmSync(directory, { recursive: true });
    },
  };
});
