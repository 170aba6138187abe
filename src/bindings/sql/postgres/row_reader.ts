/** The rows of one statement, a few at a time, as PostgreSQL writes them: texts, and null. */
import type { FieldDef } from "pg";
import type Cursor from "pg-cursor";

/** A row. */
export type TextRow = readonly (string | null)[];

/** A column. */
export type Column = Pick<FieldDef, "name" | "dataTypeID">;

/** Reads from a portal of the server, which keeps what was not asked for. */
export class RowReader {
  readonly #cursor: Cursor<(string | null)[]>;
  readonly #gone: Promise<never>;
  #columns: readonly Column[] = [];
  #changes = 0;
  #isDone = false;

  /** @param gone rejects when the connection ends */
  constructor(cursor: Cursor<(string | null)[]>, gone: Promise<never>) {
    this.#cursor = cursor;
    this.#gone = gone;
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
      this.#cursor.read(count, (error, rows, result) => {
        if (error) {
          this.#isDone = true;
          return reject(error);
        }
        this.#columns = result?.fields ?? this.#columns;
        this.#isDone = rows.length < count;
        const isChange = result?.command !== undefined && result.command !== "SELECT";
        if (isChange && typeof result.rowCount === "number") this.#changes = result.rowCount;
        resolve(rows);
      });
    });
    return Promise.race([read, this.#gone]);
  }

  /** Gives up what was not read. */
  async close(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    await Promise.race([this.#cursor.close(), this.#gone]);
  }
}
