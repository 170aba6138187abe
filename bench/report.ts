/** How figures are shown: tables in plain text that are Markdown as well, and goals with pass or fail. */

/** A goal of the benchmark, or of the soak. */
export interface Goal {
  readonly what: string;
  readonly wanted: string;
  readonly reached: string;
  readonly pass: boolean;
}

/** A table whose first row is its head; numbers stand to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = []] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const isNumber = head.map((_, column) =>
    rows.slice(1).every((row) => /^$|^[\d,.]+( \w+)?$|^–$/.test(row[column] ?? "")),
  );
  const line = (row: readonly string[]) =>
    `| ${widths.map((width, at) => (isNumber[at] ? (row[at] ?? "").padStart(width) : (row[at] ?? "").padEnd(width))).join(" | ")} |`;
  const rule = `| ${widths.map((width, at) => (isNumber[at] ? `${"-".repeat(width - 1)}:` : "-".repeat(width))).join(" | ")} |`;
  const [first, ...rest] = rows.map(line);
  return [first, rule, ...rest].join("\n");
}

/** The goals as a table. */
export function goalTable(goals: readonly Goal[]): string {
  return table([
    ["goal", "wanted", "reached", ""],
    ...goals.map(({ what, wanted, reached, pass }) => [what, wanted, reached, pass ? "pass" : "FAIL"]),
  ]);
}

/** A number with as many decimals as it deserves: three figures, and thousands with commas. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 10 ? 1 : 2);
}
