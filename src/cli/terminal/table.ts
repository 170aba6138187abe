/** Tables for people: columns of equal width, no lines around them; and times as people say them. */
import { type Paint, printable } from "./terminal.ts";

/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/**
 * The table as text, with a line end after each row. Cells may hold colours of `paint`; what comes from elsewhere goes
 * through `printable` first.
 * @example table(["name", { title: "bytes", align: "right" }], [["a", "12"]], paint)
 */
export function table(
  columns: readonly (Column | string)[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string {
  const heads = columns.map((column) => (typeof column === "string" ? { title: column } : column));
  const widths = heads.map(({ title }, at) => {
    return Math.max(title.length, ...rows.map((row) => Bun.stringWidth(row[at] ?? "")));
  });
  const line = (cells: readonly string[]) => {
    const padded = heads.map(({ align }: Column, at) => {
      const cell = cells[at] ?? "";
      const room = " ".repeat((widths[at] ?? 0) - Bun.stringWidth(cell));
      return align === "right" ? room + cell : cell + room;
    });
    return `${padded.join("  ").trimEnd()}\n`;
  };
  const head = line(heads.map(({ title }) => title)).trimEnd();
  return `${paint("grey", head)}\n${rows.map(line).join("")}`;
}

/** A cell of text that comes from elsewhere: one line, without what drives a terminal. */
export function cell(text: string, lengthMax = 80): string {
  const whole = printable(text.replace(/\s+/g, " ").trim());
  return whole.length > lengthMax ? `${whole.slice(0, lengthMax - 1)}…` : whole;
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** How long ago an instant (ms since the epoch) was: `12 s ago`; a date when that is more than 30 days. */
export function ago(instant: number, now: number = Date.now()): string {
  const past = now - instant;
  if (past > 30 * 86_400_000) return new Date(instant).toISOString().slice(0, 10);
  const [unit, ms] = UNITS.find(([, each]) => past >= each) ?? ["s", 1000];
  return past < 1000 ? "now" : `${Math.floor(past / ms)} ${unit} ago`;
}

/** A number of bytes as people say it: `12 B`, `3.4 KB`, `120 MB`. */
export function byteSize(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${["B", "KB", "MB", "GB"][power]}`;
}
