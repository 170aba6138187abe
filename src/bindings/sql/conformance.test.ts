/** The binding keeps what every binding owes the host, with its databases' processes. */
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { systemClock } from "../../core/clock.ts";
import { bindingCall, describeBinding } from "../../testing/binding-suite.ts";
import { openSqlRig } from "../../testing/sql_rig.ts";
import { createSql } from "./binding.ts";
import { Postgres } from "./postgres/postgres.ts";

const GRANT: BindingGrant = { type: "sql", resource: "d", mode: "read-write", options: {}, project: "default" };
const ENDLESS = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

const query = (sql: string) => {
  const text = JSON.stringify({ o: "query", s: [[sql]] });
  return bindingCall(`/query?${encodeURIComponent(text)}`, { method: "POST" });
};

describeBinding("sql", async () => {
  const rig = openSqlRig();
  const postgres = new Postgres({ clock: systemClock, isPublic: () => false });
  const urls = {
    ofSecret(): never {
      throw new Error("No grant here names a secret");
    },
  };
  const binding = createSql({ databases: rig.databases, postgres, urls });
  return {
    ...{ binding, grant: GRANT, countsRequests: false },
    ...{ good: query("SELECT 1"), denied: query("ATTACH 'other' AS other"), silent: query(ENDLESS) },
    async gone() {
      // The process that works on it is killed; whoever asks next waits for that.
      const pid = rig.databases.pid("default", "d");
      await rig.databases.exclusively("default", "d", () => {});
      if (pid !== undefined) expect(existsSync(`/proc/${pid}`)).toBe(false);
    },
    async close() {
      await rig[Symbol.asyncDispose]();
    },
  };
});
