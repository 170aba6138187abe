/** What a statement gave, as a table for people. */
import { byteSize, cell, table } from "../terminal/table.ts";
import { paintFor } from "../terminal/terminal.ts";

const ROWS_SHOWN_MAX = 1000;

/** A result, as the admin API has it. */
export interface Result {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  readonly meta: Readonly<Record<string, number | boolean>>;
}

/** Its rows, or how many it changed. */
export function showResult({ columns, rows, meta }: Result): string {
  if (columns.length === 0) return changed(Number(meta["changes"] ?? 0));
  const paint = paintFor(process.stdout);
  const heads = columns.map((title, at) => {
    const isNumeric = rows.length > 0 && rows.every((row) => typeof row[at] === "number" || row[at] === null);
    return { title: cell(title, 40), align: isNumeric ? ("right" as const) : ("left" as const) };
  });
  const shown = rows.slice(0, ROWS_SHOWN_MAX).map((row) => row.map(showValue));
  const more = rows.length > shown.length ? `… and ${rows.length - shown.length} more; --json has all\n` : "";
  return `${table(heads, shown, paint)}${more}`;
}

function changed(rows: number): string {
  return `${rows} ${rows === 1 ? "row" : "rows"} changed\n`;
}

function showValue(value: unknown): string {
  if (value === null) return "NULL";
  if (Array.isArray(value)) return cell(JSON.stringify(value));
  if (typeof value !== "object") return cell(String(value));
  const { b, i, f } = value as { readonly b?: string; readonly i?: string; readonly f?: string };
  return b === undefined ? String(i ?? f) : `<${byteSize(Buffer.from(b, "base64").length)}>`;
}
