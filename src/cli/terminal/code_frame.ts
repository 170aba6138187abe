/** Shows where in a program a mistake is: its line, those around it, and a mark under the column. */
import { type Paint, printable } from "./terminal.ts";

const LINES_AROUND = 2;
const WIDTH_MAX = 160;

/** The lines of `code` around `line` and `column`, which count from 1; empty when there is no such line. */
export function codeFrame(code: string, line: number, column: number, paint: Paint): string {
  const lines = code.split(/\r\n|\n|\r/);
  if (line < 1 || line > lines.length) return "";
  const first = Math.max(1, line - LINES_AROUND);
  const last = Math.min(lines.length, line + LINES_AROUND);
  const gutter = String(last).length;
  // A long line is shown from where its mistake is in view.
  const from = Math.max(0, column - Math.floor(WIDTH_MAX / 2));
  const shown: string[] = [];
  for (let number = first; number <= last; number++) {
    const mark = number === line ? paint("red", ">") : " ";
    const label = paint("grey", `${String(number).padStart(gutter)} |`);
    const text = (lines[number - 1] ?? "").slice(from, from + WIDTH_MAX);
    shown.push(`${mark} ${label} ${printable(text)}`.trimEnd());
    if (number !== line) continue;
    const before = printable(text.slice(0, Math.max(0, column - 1 - from))).replace(/[^\t]/g, " ");
    shown.push(`  ${" ".repeat(gutter)} ${paint("grey", "|")} ${before}${paint("red", "^")}`);
  }
  return shown.join("\n");
}

/** The lines around a place of a file, with empty lines around them; nothing when the file cannot be read. */
export async function frameOf(file: string, line: number, column: number, paint: Paint): Promise<string> {
  const text = await Bun.file(file)
    .text()
    .catch(() => "");
  const frame = text === "" ? "" : codeFrame(text, line, column, paint);
  return frame === "" ? "" : `\n\n${frame}\n`;
}
