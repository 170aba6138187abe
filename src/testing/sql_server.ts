/**
 * A process that holds two databases, one idle and one at work with the statement that it is given, until it is killed:
 * prints the numbers of their processes.
 */
import { openSqlRig } from "./sql_rig.ts";

/** The file to run. */
export const SQL_SERVER = import.meta.path;

if (import.meta.main) {
  const rig = openSqlRig();
  await Promise.all(["idle", "busy"].map((name) => rig.query("SELECT 1", [], { name })));
  rig.query(process.argv[2] ?? "", [], { name: "busy" }).catch(() => {});
  console.log(["idle", "busy"].map((name) => rig.databases.pid("p", name)).join(" "));
}
