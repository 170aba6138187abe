/** What no statement can do, whatever grant it has: each way out that SQLite has, tried. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openSqlRig, type SqlRig } from "../../testing/sql_rig.ts";

const MB = 1024 * 1024;
let rig: SqlRig;

beforeAll(async () => {
  rig = openSqlRig({ limits: { databaseBytesMax: 2 * MB, memoryBytesMax: 96 * MB } });
  await rig.ask({ o: "exec", t: ["CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t (v) VALUES ('kept')"] });
});

afterAll(() => rig[Symbol.asyncDispose]());

const REFUSED = {
  "another file": "ATTACH DATABASE 'PATH' AS other",
  "another file, by value": "ATTACH 'PATH' AS other",
  "a copy into a file": "VACUUM INTO 'PATH'",
  "a rewrite of the whole file": "VACUUM",
  "a transaction": "BEGIN",
  "a transaction that locks": "BEGIN EXCLUSIVE",
  "the end of a transaction": "COMMIT",
  "the undoing of one": "ROLLBACK",
  "a savepoint": "SAVEPOINT s",
  "the release of a savepoint": "RELEASE s",
  "how safely is written": "PRAGMA synchronous = OFF",
  "the journal": "PRAGMA journal_mode = DELETE",
  "the size of the file": "PRAGMA max_page_count = 100000000",
  "the size of pages": "PRAGMA page_size = 65536",
  "triggers that call themselves": "PRAGMA recursive_triggers = ON",
  "a list of all functions": "SELECT * FROM pragma_function_list",
  "a list of all modules": "SELECT * FROM pragma_module_list",
  "an extension in a column": "CREATE TABLE x (a, b AS (load_extension('PATH')))",
  "an extension in a check": "CREATE TABLE x (a CHECK (load_extension('PATH')))",
  "an extension in a default": "CREATE TABLE x (a DEFAULT (load_extension('PATH')))",
  "rewriting the schema": "PRAGMA writable_schema = ON",
  "trusting the schema": "PRAGMA trusted_schema = ON",
  "a place for temporary files": "PRAGMA temp_store_directory = 'PATH'",
  "the heap": "PRAGMA hard_heap_limit = 0",
  "a pragma as a table": "SELECT * FROM pragma_database_list",
  "an extension": "SELECT load_extension('PATH')",
  "an extension with its entry": "SELECT load_extension('PATH', 'entry')",
  "the tokenizers of old full-text search": "SELECT fts3_tokenizer('simple')",
  "a table that others would meet": "CREATE TEMP TABLE x (a)",
  "a view that others would meet": "CREATE TEMPORARY VIEW x AS SELECT 1",
  "a trigger that others would meet": "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
  "an unknown kind of virtual table": "CREATE VIRTUAL TABLE x USING csv(filename = 'PATH')",
  "old full-text search": "CREATE VIRTUAL TABLE x USING fts4(a)",
} as const;

for (const [what, sql] of Object.entries(REFUSED)) {
  test(`refuses ${what}`, async () => {
    const path = join(rig.directory, `escape-${crypto.randomUUID()}`);
    const attempts = [
      rig.query(sql.replaceAll("PATH", path)),
      rig.ask({ o: "exec", t: [sql.replaceAll("PATH", path)] }),
      rig.ask({ o: "batch", s: [[sql.replaceAll("PATH", path)]] }),
      rig.ask({ o: "script", t: [`${sql.replaceAll("PATH", path)}; SELECT 1`] }),
    ];
    // A script is a transaction of ours: what dumps say of one is passed over.
    const expected = /^(BEGIN|COMMIT)$/.test(sql) ? attempts.slice(0, 3) : attempts;
    await Promise.allSettled(attempts);
    await expect(attempts[0]).rejects.toMatchObject({ code: "binding_denied" });
    for (const attempt of expected) {
      // SQLite itself vacuums in no transaction, and says so first.
      const code = sql.startsWith("VACUUM") ? expect.stringMatching(/^(binding_denied|sql_error)$/) : "binding_denied";
      await expect(attempt).rejects.toMatchObject({ code });
    }
    expect(existsSync(path)).toBe(false);
  });
}

test("nothing can be attached even where the authorizer says nothing", async () => {
  // The limit on attached databases stands behind the authorizer; it is read from SQLite's own words.
  await expect(rig.query("ATTACH ':memory:' AS m")).rejects.toMatchObject({ code: "binding_denied" });
  await expect(rig.query("SELECT * FROM m.sqlite_schema")).rejects.toMatchObject({ code: "sql_error" });
});

test("the schema's own tables cannot be written", async () => {
  for (const sql of [
    "UPDATE sqlite_schema SET sql = ''",
    "DELETE FROM sqlite_master",
    "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 9, '')",
    "DROP TABLE sqlite_schema",
  ]) {
    await expect(rig.query(sql)).rejects.toMatchObject({ code: "sql_error" });
  }
});

test("the tables behind a virtual table cannot be written", async () => {
  await rig.query("CREATE VIRTUAL TABLE notes USING fts5(body)");
  await rig.query("CREATE VIRTUAL TABLE boxes USING rtree(id, left, right)");
  await rig.query("INSERT INTO boxes VALUES (1, 0, 10), (2, 20, 30)");
  expect((await rig.query("SELECT id FROM boxes WHERE left < 5")).r).toEqual([[1]]);
  for (const sql of [
    ...["DELETE FROM notes_data", "UPDATE notes_config SET v = 0", "DROP TABLE notes_idx"],
    ...["UPDATE boxes_node SET data = zeroblob(10)", "DELETE FROM boxes_rowid", "DROP TABLE boxes_parent"],
    "INSERT INTO notes(notes, rank) VALUES ('pgsz', 1000000)",
  ]) {
    await expect(rig.query(sql)).rejects.toMatchObject({ code: "sql_error" });
  }
  for (const table of ["notes", "boxes"]) await rig.query(`DROP TABLE ${table}`);
});

test("what an expression may be made of is bounded, and answered soon", async () => {
  const long = "printf('%.*c', 900000, 'a')";
  const since = performance.now();
  for (const sql of [
    `SELECT ${long} GLOB '${"*a".repeat(600)}b'`,
    `SELECT ${long} LIKE '${"%a".repeat(600)}b'`,
    `SELECT json('${"[".repeat(2000)}${"]".repeat(2000)}')`,
    `SELECT 1${"+1".repeat(3000)}`,
    `SELECT 1${" UNION ALL SELECT 1".repeat(4000)}`,
    `SELECT * FROM ${Array(65).fill("(SELECT 1)").join(",")}`,
    `WITH ${Array.from({ length: 60 }, (_, at) => `c${at}(x) AS (SELECT 1${at > 0 ? ` FROM c${at - 1} a, c${at - 1} b` : ""})`).join(",")} SELECT count(*) FROM c59`,
    "SELECT sqlite_rename_table('main', 't', 't', 't', 't', 1, 1)",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('/tmp/x', 'x')",
    "SELECT edit('x')",
  ]) {
    await expect(rig.query(sql)).rejects.toMatchObject({ code: "sql_error" });
  }
  for (const sql of [
    ...[
      "SELECT printf('%.*f', 100000000, 1.0)",
      "SELECT printf('%*s', 2000000000, 'x')",
      "SELECT printf('%999999999d', 1)",
    ],
    ...["SELECT randomblob(9e18)", "SELECT zeroblob(9223372036854775807)", `SELECT replace(${long}, 'a', ${long})`],
    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9) SELECT group_concat(hex(zeroblob(100000))) FROM c",
  ]) {
    await expect(rig.query(sql)).rejects.toMatchObject({ code: "value_too_large" });
  }
  // The longest patterns that are allowed, over the longest text.
  expect(
    (await rig.query(`SELECT ${long} LIKE '${"%a".repeat(499)}b', ${long} GLOB '${"*a".repeat(499)}b'`)).r,
  ).toEqual([[0, 0]]);
  expect(performance.now() - since).toBeLessThan(10_000);
});

test("triggers that set each other off come to an end", async () => {
  await rig.ask({
    o: "exec",
    t: [
      "CREATE TABLE ping (n); CREATE TABLE pong (n)",
      "CREATE TRIGGER to_pong AFTER INSERT ON ping BEGIN INSERT INTO pong VALUES (new.n + 1); INSERT INTO pong VALUES (new.n + 1); END",
      "CREATE TRIGGER to_ping AFTER INSERT ON pong BEGIN INSERT INTO ping VALUES (new.n + 1); INSERT INTO ping VALUES (new.n + 1); END",
    ],
  });
  const set = rig.query("INSERT INTO ping VALUES (1)", [], { workMs: 5000 });
  await set.catch((error) => expect(error.code).toMatch(/^(sql_error|sql_timeout|database_full)$/));
  for (const table of ["ping", "pong"]) await rig.query(`DROP TABLE ${table}`);
  // What calls an extension in a view or a trigger that was made is refused when it is run.
  await rig.query("CREATE VIEW loads AS SELECT load_extension('x') AS x");
  await expect(rig.query("SELECT * FROM loads")).rejects.toMatchObject({
    code: expect.stringMatching(/denied|sql_error/),
  });
  await rig.query("DROP VIEW loads");
});

test("what looks behind the tables cannot be read", async () => {
  for (const table of ["sqlite_dbpage", "dbstat", "sqlite_stmt", "bytecode('SELECT 1')"]) {
    await expect(rig.query(`SELECT * FROM ${table}`)).rejects.toThrow();
  }
});

test("a text, a blob and a row are held to a value's limit", async () => {
  for (const sql of [
    "SELECT zeroblob(1000001)",
    "SELECT printf('%.*c', 1000001, 'x')",
    "SELECT hex(zeroblob(600000))",
    "INSERT INTO t (v) VALUES (zeroblob(1000001))",
    "SELECT replace(hex(zeroblob(1000)), '00', hex(zeroblob(1000)))",
  ]) {
    await expect(rig.query(sql)).rejects.toMatchObject({ code: "value_too_large", details: { limit: { value: 1e6 } } });
  }
  expect((await rig.query("SELECT length(zeroblob(1000000))")).r).toEqual([[1_000_000]]);
});

test("a database does not grow over its limit, and goes on working", async () => {
  const fill = rig.query(
    "INSERT INTO t (v) WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000) SELECT randomblob(9000) FROM c",
  );
  await expect(fill).rejects.toMatchObject({
    code: "database_full",
    details: { limit: { name: "databaseBytesMax", value: 2 * MB } },
  });
  const folder = join(rig.directory, "projects", "p");
  const largest = Math.max(...readdirSync(folder).map((file) => Bun.file(join(folder, file)).size));
  expect(largest).toBeLessThan(4 * MB);
  await rig.query("INSERT INTO t (v) VALUES ('after')");
  expect((await rig.query("SELECT v FROM t ORDER BY id")).r).toEqual([["kept"], ["after"]]);
});

test("a statement that wants too much memory fails alone", async () => {
  const sql =
    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 3000) SELECT json_group_array(hex(randomblob(100000))) FROM c";
  await expect(rig.query(sql)).rejects.toMatchObject({
    code: expect.stringMatching(/^(sql_memory_limit|database_ended)$/),
  });
  expect((await rig.query("SELECT 1")).r).toEqual([[1]]);
});

test("what does not fit into memory is bounded on the disk too", async () => {
  const sql =
    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT count(*) FROM (SELECT randomblob(9000) AS r FROM c ORDER BY r LIMIT -1 OFFSET 1)";
  await expect(rig.query(sql)).rejects.toMatchObject({
    code: expect.stringMatching(/^(database_full|database_ended)$/),
  });
  expect((await rig.query("SELECT 1")).r).toEqual([[1]]);
});

test("the process can gain no rights, dumps no core and has few files", async () => {
  await rig.query("SELECT 1");
  const pid = rig.databases.pid("p", "d");
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  expect(limits).toMatch(/Max core file size +0 /);
  expect(limits).toMatch(/Max open files +64 /);
  expect(limits).toMatch(new RegExp(`Max file size +${(2 + 64) * MB} `));
  expect(limits).toMatch(new RegExp(`Max data size +${(512 + 96) * MB} `));
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  expect(status).toMatch(/NoNewPrivs:\t1/);
});
