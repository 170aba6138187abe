/** The rows of one statement, a few at a time, as PostgreSQL writes them: texts, and null. */
import type { Client, FieldDef } from "pg";
import type Cursor from "pg-cursor";
import type { ConnectionEnd } from "./connection_end.ts";

/** A row. */
export type TextRow = readonly (string | null)[];

/** A column. */
export type Column = Pick<FieldDef, "name" | "dataTypeID">;

/** Has the client ask for something. */
export type Ask = (ask: (client: Client) => void) => void;

/** Reads from a portal of the server, which keeps what was not asked for. */
export class RowReader {
  readonly #cursor: Cursor<(string | null)[]>;
  readonly #end: ConnectionEnd;
  readonly #ask: Ask;
  #isBegun = false;
  #columns: readonly Column[] = [];
  #changes = 0;
  #isDone = false;

  /** The statement begins with the first rows that are read. */
  constructor(cursor: Cursor<(string | null)[]>, end: ConnectionEnd, ask: Ask) {
    this.#cursor = cursor;
    this.#end = end;
    this.#ask = ask;
  }

  /** Known from the first rows on. */
  get columns(): readonly Column[] {
    return this.#columns;
  }

  /** Rows that were changed, known at the end. */
  get changes(): number {
    return this.#changes;
  }

  /** Whether there are no more rows. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** At most `count` rows; fewer at the end. @throws {Error} with an SQLSTATE as its code, or of the way */
  read(count: number): Promise<readonly TextRow[]> {
    const read = new Promise<readonly TextRow[]>((resolve, reject) => {
      const told: Cursor.ResultCallback<(string | null)[]> = (error, rows, result) => {
        if (error) {
          this.#isDone = true;
          return reject(error);
        }
        this.#columns = result?.fields ?? this.#columns;
        this.#isDone = rows.length < count;
        const isChange = result?.command !== undefined && result.command !== "SELECT";
        if (isChange && typeof result.rowCount === "number") this.#changes = result.rowCount;
        resolve(rows);
      };
      this.#ask((client) => {
        if (!this.#isBegun) client.query(this.#cursor);
        this.#isBegun = true;
        this.#cursor.read(count, told);
      });
    });
    return this.#end.before(read);
  }

  /** Gives up what was not read. */
  async close(): Promise<void> {
    if (this.#isDone || !this.#isBegun) return;
    this.#isDone = true;
    await this.#end.before(this.#cursor.close());
  }
}
