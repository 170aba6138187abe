/** Calls of SQL bindings. */
import type { Word } from "../guest_memory.ts";
import type { HostInvocation } from "./host_invocation.ts";
import { listIn, textOf } from "./json.ts";

interface Statement {
  bind(...values: readonly unknown[]): Statement;
  all(): Promise<unknown>;
}

interface SqlDatabase {
  prepare(sql: string): Statement;
  batch(statements: readonly Statement[]): Promise<unknown[]>;
}

/** The calls. */
export class SqlCalls {
  readonly #invocation: HostInvocation;

  constructor(invocation: HostInvocation) {
    this.#invocation = invocation;
  }

  sql_query(
    name: Word,
    nameSize: Word,
    sql: Word,
    sqlSize: Word,
    values: Word,
    valuesSize: Word,
    pointer: Word,
    size: Word,
  ): Promise<bigint> {
    const database = this.#text("sql_query", name, nameSize);
    const statement = this.#text("sql_query", sql, sqlSize);
    const json = this.#text("sql_query", values, valuesSize);
    return this.#invocation.giveLater("sql_query", pointer, size, async () => {
      return textOf(
        await this.#database(database)
          .prepare(statement)
          .bind(...listIn(json))
          .all(),
      );
    });
  }

  sql_batch(name: Word, nameSize: Word, list: Word, listSize: Word, pointer: Word, size: Word): Promise<bigint> {
    const called = this.#text("sql_batch", name, nameSize);
    const json = this.#text("sql_batch", list, listSize);
    return this.#invocation.giveLater("sql_batch", pointer, size, async () => {
      const database = this.#database(called);
      const statements = listIn(json).map((each) => {
        if (!Array.isArray(each) || typeof each[0] !== "string")
          throw new TypeError("expected lists of SQL and values");
        return database.prepare(each[0]).bind(...(each.slice(1) as unknown[]));
      });
      return textOf(await database.batch(statements));
    });
  }

  #text(action: string, pointer: Word, size: Word): string {
    return this.#invocation.memory.text(action, pointer, size);
  }

  #database(name: string): SqlDatabase {
    return this.#invocation.binding("sql", "prepare", name);
  }
}
