/** Values, results, transactions and limits of one database, through its real process. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { openSqlRig, type SqlResult, type SqlRig } from "../../testing/sql_rig.ts";
import { tokensOf } from "./database/tokens.ts";

let rig: SqlRig;

beforeAll(async () => {
  rig = openSqlRig({ limits: { resultRowsMax: 1000, resultBytesMax: 300_000, batchStatementsMax: 50 } });
  await rig.ask({ o: "exec", t: ["CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)"] });
});

afterAll(() => rig[Symbol.asyncDispose]());

test("values come back as they went", async () => {
  const values = [
    null,
    0,
    -1,
    1.5,
    Number.MAX_SAFE_INTEGER,
    { i: "9007199254740993" },
    { i: "-9223372036854775808" },
    { f: "Infinity" },
    "text with \u0000 and \u{1f600} and \"'",
    "",
    { b: "AAECgP8=" },
    { b: "" },
  ];
  const { r } = await rig.query(`SELECT ${values.map(() => "?").join(", ")}`, values);
  expect(r).toEqual([values]);
  const kinds = await rig.query("SELECT typeof(?), typeof(?), typeof(?), typeof(?)", [1, 1.5, true, { b: "AA==" }]);
  expect(kinds.r).toEqual([["integer", "real", "integer", "blob"]]);
});

test("integers beyond 2^53 survive, whatever made them", async () => {
  const { r } = await rig.query(
    "SELECT 9007199254740993, 9223372036854775807, 9007199254740991, 4611686018427387904 * 1",
  );
  expect(r).toEqual([
    [{ i: "9007199254740993" }, { i: "9223372036854775807" }, 9007199254740991, { i: "4611686018427387904" }],
  ]);
});

test("what is no value is refused by its place", async () => {
  for (const value of [{ i: "9223372036854775808" }, { i: "x" }, { b: "*" }, { f: "NaN" }, {}, []]) {
    await expect(rig.query("SELECT ?, ?", [1, value])).rejects.toMatchObject({
      code: "sql_error",
      message: expect.stringContaining("parameter 2"),
    });
  }
});

test("the values are as many as the parameters, and none is left from a call before", async () => {
  await rig.query("SELECT ?1, ?2", ["mine", "too"]);
  for (const values of [[], ["a"], ["a", "b", "c"]]) {
    await expect(rig.query("SELECT ?1, ?2", values)).rejects.toMatchObject({ code: "sql_error" });
  }
  expect((await rig.query('SELECT \'?\', "?", ?2 -- ?\n FROM (SELECT 1 AS "?") /* ? */', ["a", "b"])).r).toEqual([
    ["?", 1, "b"],
  ]);
  for (const sql of ["SELECT :a", "SELECT @a", "SELECT $a"]) {
    await expect(rig.query(sql, [1])).rejects.toMatchObject({
      code: "sql_error",
      message: expect.stringMatching(/has a name/),
    });
  }
});

test("a call that is not of the form is refused", async () => {
  for (const request of [
    null,
    1,
    {},
    { o: "x" },
    { o: "query", s: [] },
    { o: "query", s: [["SELECT 1"], ["SELECT 1"]] },
    { o: "batch", s: [1] },
    { o: "batch", s: [[1]] },
    { o: "exec", t: "x" },
    { o: "exec", t: [1] },
  ]) {
    await expect(rig.ask(request)).rejects.toMatchObject({
      code: "sql_error",
      message: expect.stringMatching(/^Cannot read the call/),
    });
  }
});

test("meta says what a statement did", async () => {
  const made = await rig.query("INSERT INTO t (v) VALUES ('m1'), ('m2')");
  expect(made.m).toMatchObject({ changes: 2, changed_db: true, rows_written: 2, rows_read: 0 });
  expect(made.m["last_row_id"]).toBeGreaterThan(1);
  expect((await rig.query("INSERT INTO t (v) VALUES ('m3') RETURNING v")).m).toMatchObject({
    changes: 1,
    rows_read: 1,
  });
  expect((await rig.query("UPDATE t SET v = 'x' WHERE v = 'nobody'")).m).toMatchObject({ changes: 0 });
  expect((await rig.query("SELECT * FROM t")).m).toMatchObject({ changes: 0, changed_db: false, rows_written: 0 });
  await rig.query("DELETE FROM t");
});

test("a batch is one transaction", async () => {
  const batch = (...sql: readonly string[]) => rig.ask({ o: "batch", s: sql.map((each) => [each]) });
  const done = (await batch("INSERT INTO t (v) VALUES ('a')", "SELECT count(*) FROM t")) as SqlResult[];
  expect(done.map(({ r }) => r)).toEqual([[], [[1]]]);
  const failures = [
    batch("INSERT INTO t (v) VALUES ('b')", "INSERT INTO t (v) VALUES ('a')"),
    batch(
      "INSERT INTO t (v) VALUES ('b')",
      "INSERT OR ROLLBACK INTO t (v) VALUES ('a')",
      "INSERT INTO t (v) VALUES ('c')",
    ),
    batch("INSERT INTO t (v) VALUES ('b')", "SELEKT"),
    batch("CREATE TABLE half (x)", "COMMIT"),
  ];
  await Promise.allSettled(failures);
  for (const failure of failures) await expect(failure).rejects.toThrow();
  expect((await rig.query("SELECT v FROM t")).r).toEqual([["a"]]);
  await expect(rig.query("SELECT * FROM half")).rejects.toMatchObject({
    message: expect.stringMatching(/no such table: half/),
  });
});

test("foreign keys hold, and can wait for the end of a batch", async () => {
  await rig.ask({ o: "exec", t: ["CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id))"] });
  await expect(rig.query("INSERT INTO b VALUES (1)")).rejects.toMatchObject({
    message: expect.stringMatching(/FOREIGN KEY constraint failed/),
  });
  const late = [["PRAGMA defer_foreign_keys = ON"], ["INSERT INTO b VALUES (1)"], ["INSERT INTO a VALUES (1)"]];
  await rig.ask({ o: "batch", s: late });
  await expect(rig.query("INSERT INTO b VALUES (2)")).rejects.toThrow("FOREIGN KEY");
  await expect(rig.ask({ o: "batch", s: [late[0], ["INSERT INTO b VALUES (9)"]] })).rejects.toThrow("FOREIGN KEY");
  expect((await rig.query("SELECT count(*) FROM b")).r).toEqual([[1]]);
});

test("exec runs a text of statements, triggers and comments among them", async () => {
  const text = `
    CREATE TABLE log (x); -- a comment; with a semicolon
    CREATE TRIGGER tr AFTER INSERT ON log BEGIN UPDATE log SET x = ';' WHERE x = 1; SELECT 1; END;
    INSERT INTO log VALUES (1) /* ; */ ;;
    INSERT INTO log VALUES ('a;b');
  `;
  expect(await rig.ask({ o: "exec", t: [text] })).toEqual({ count: 4 });
  expect((await rig.query("SELECT x FROM log")).r).toEqual([[";"], ["a;b"]]);
  expect(await rig.ask({ o: "exec", t: [" ; -- nothing"] })).toEqual({ count: 0 });
  const halfway = rig.ask({ o: "exec", t: ["INSERT INTO log VALUES (3); SELEKT; INSERT INTO log VALUES (4)"] });
  await expect(halfway).rejects.toMatchObject({
    code: "sql_error",
    message: expect.stringMatching(/near "SELEKT": syntax error/),
  });
  expect((await rig.query("SELECT count(*) FROM log")).r).toEqual([[3]]);
});

test("a script is one transaction, and passes over those of a dump", async () => {
  const dump =
    "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE dumped (x);\nINSERT INTO dumped VALUES(1);\nCOMMIT;";
  expect(await rig.ask({ o: "script", t: [dump] })).toEqual({ count: 2 });
  await expect(rig.ask({ o: "script", t: ["INSERT INTO dumped VALUES (2);", "SELEKT"] })).rejects.toThrow("SELEKT");
  expect((await rig.query("SELECT count(*) FROM dumped")).r).toEqual([[1]]);
});

test("statements, parameters, batches and requests have their limits", async () => {
  const refused = async (asked: Promise<unknown>, name: string, code = "sql_error") =>
    expect(asked).rejects.toMatchObject({ code, details: { limit: { name } } });
  const long = (bytes: number) => `SELECT '${"x".repeat(bytes - 9)}'`;
  await rig.query(long(100_000));
  await refused(rig.query(long(100_001)), "statementBytesMax");
  await refused(rig.query(`SELECT '${"é".repeat(50_000)}'`), "statementBytesMax");
  const many = (count: number) => rig.query(`SELECT ${Array(count).fill("?").join("+")}`, Array(count).fill(1));
  expect((await many(100)).r).toEqual([[100]]);
  await refused(many(101), "parametersMax");
  await expect(rig.query("SELECT ?101", Array(100).fill(1))).rejects.toMatchObject({ code: "sql_error" });
  await refused(rig.ask({ o: "batch", s: Array(51).fill(["SELECT 1"]) }), "batchStatementsMax");
  await refused(rig.ask({ o: "exec", t: ["SELECT 1;".repeat(51)] }), "batchStatementsMax");
  await refused(rig.query("SELECT 1", ["x".repeat(9e6)]), "requestBytesMax", "value_too_large");
  await expect(rig.query("SELECT 1; SELECT 2")).rejects.toMatchObject({
    message: expect.stringMatching(/there are several/),
  });
  await expect(rig.query("")).rejects.toMatchObject({ message: expect.stringMatching(/nothing to run/) });
  await expect(rig.query("SELECT 1\0")).rejects.toMatchObject({ code: "sql_error" });
});

test("rows and bytes of results are capped while they are read, and a write that goes over is not made", async () => {
  const endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)";
  const started = performance.now();
  await expect(rig.query(`${endless} SELECT x FROM c`)).rejects.toMatchObject({
    code: "result_too_large",
    details: { limit: { name: "resultRowsMax", value: 1000 } },
  });
  await expect(rig.query(`${endless} SELECT zeroblob(1000) FROM c`)).rejects.toMatchObject({
    code: "result_too_large",
    details: { limit: { name: "resultBytesMax", value: 300_000 } },
  });
  expect(performance.now() - started).toBeLessThan(5000);
  expect((await rig.query(`${endless} SELECT x FROM c LIMIT 1000`)).r.length).toBe(1000);
  await rig.query("CREATE TABLE many (x)");
  const writes = `INSERT INTO many SELECT x FROM (${endless} SELECT x FROM c LIMIT 1001) RETURNING x`;
  await expect(rig.query(writes)).rejects.toMatchObject({ code: "result_too_large" });
  const half = [["SELECT 1"], [`${endless} SELECT x FROM c LIMIT 600`], [`${endless} SELECT x FROM c LIMIT 600`]];
  await expect(rig.ask({ o: "batch", s: half })).rejects.toMatchObject({ code: "result_too_large" });
  expect((await rig.query("SELECT count(*) FROM many")).r).toEqual([[0]]);
});

test("full-text search, JSON and window functions are there", async () => {
  await rig.ask({
    o: "exec",
    t: ["CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('a red fox'), ('a blue bird')"],
  });
  expect((await rig.query("SELECT body FROM notes WHERE notes MATCH 'fox'")).r).toEqual([["a red fox"]]);
  await rig.ask({ o: "exec", t: ["INSERT INTO notes (notes) VALUES ('optimize'); DROP TABLE notes"] });
  const sql = "SELECT value, row_number() OVER (ORDER BY value DESC) FROM json_each(?) ORDER BY 2";
  expect((await rig.query(sql, ["[1,3,2]"])).r).toEqual([
    [3, 1],
    [2, 2],
    [1, 3],
  ]);
});

test("words are taken apart as SQLite does it", () => {
  const words = (sql: string) => [...tokensOf(sql)].map(({ text }) => text);
  expect(words("a/*;*/b--c\n'it''s' \"q\"\"q\" [x]y] `z```;?1 ?:n")).toEqual([
    "a",
    "b",
    "it's",
    'q"q',
    "x",
    "y",
    "]",
    "z`",
    ";",
    "?1",
    "?",
    ":n",
  ]);
  expect(words("/* open")).toEqual([]);
  expect(words("'open")).toEqual(["'", "open"]);
});
