/** The results of one call, written as JSON while rows are read, and held to their limits meanwhile. */
import type { SqlLimits } from "../limits.ts";
import { Refusal } from "./refusal.ts";
import { type SqlValue, writeValue } from "./values.ts";

/** What is told of a statement beside its rows; the names are D1's. */
export interface Meta {
  readonly duration: number;
  readonly changes: number;
  readonly last_row_id: number;
  readonly changed_db: boolean;
  readonly size_after: number;
  readonly rows_read: number;
  readonly rows_written: number;
}

/** Writes results: `[{"c":[column],"r":[[value]],"m":{…}}]`. */
export class ResultWriter {
  readonly #limits: SqlLimits;
  readonly #parts: string[] = [];
  #bytes = 0;
  #rows = 0;
  #rowsBefore = 0;

  constructor(limits: SqlLimits) {
    this.#limits = limits;
  }

  /** Begins the result of a statement. */
  begin(columns: readonly string[]): void {
    this.#rowsBefore = this.#rows;
    this.#add(`${this.#parts.length === 0 ? "" : ","}{"c":${JSON.stringify(columns)},"r":[`);
  }

  /** @throws {Refusal} `result_too_large` */
  row(values: readonly SqlValue[]): void {
    const { resultRowsMax } = this.#limits;
    if (this.#rows >= resultRowsMax) throw tooLarge("resultRowsMax", resultRowsMax, "rows");
    let text = this.#rows === this.#rowsBefore ? "[" : ",[";
    for (let at = 0; at < values.length; at++) text += (at === 0 ? "" : ",") + writeValue(values[at] as SqlValue);
    this.#rows += 1;
    this.#add(`${text}]`);
  }

  /** Ends the result of a statement. */
  end(meta: Omit<Meta, "rows_read">): void {
    const whole: Meta = { ...meta, rows_read: this.#rows - this.#rowsBefore };
    this.#add(`],"m":${JSON.stringify(whole)}}`);
  }

  /** All results. */
  finish(): string {
    return `[${this.#parts.join("")}]`;
  }

  #add(text: string): void {
    this.#bytes += Buffer.byteLength(text);
    const { resultBytesMax } = this.#limits;
    if (this.#bytes > resultBytesMax) throw tooLarge("resultBytesMax", resultBytesMax, "bytes");
    this.#parts.push(text);
  }
}

function tooLarge(name: "resultRowsMax" | "resultBytesMax", value: number, unit: string): Refusal {
  const message = `Cannot return the result: it is over ${value} ${unit}; use LIMIT, or ask for less`;
  return new Refusal("result_too_large", message, { name, value });
}
