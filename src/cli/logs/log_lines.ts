/**
 * Records of the log as lines for people.
 *
 * Texts, paths and methods come from programs and their callers, whom nobody trusts: what would move a terminal's
 * cursor is shown as a mark.
 */
import { type Colour, type Paint, printable } from "../terminal/terminal.ts";
import { localTime } from "../terminal/times.ts";

/** An item of `GET /v1/logs`, as far as it is shown. */
export interface LogItem {
  readonly id: number;
  readonly kind: "line" | "error" | "limit" | "invocation" | "missing";
  readonly time_ms?: number;
  readonly level?: string;
  readonly function?: string;
  readonly program?: string;
  readonly request_id?: string;
  readonly text?: string;
  readonly cut?: number;
  readonly code?: string;
  readonly limit?: { readonly name: string; readonly value: number };
  readonly method?: string;
  readonly path?: string;
  readonly status?: number;
  readonly wall_ms?: number;
  readonly cpu_ms?: number;
  readonly memory_bytes?: number;
  readonly cold?: boolean;
  readonly missing?: number;
  readonly reason?: string;
}

const COLOURS: Readonly<Record<string, Colour>> = { error: "red", warn: "yellow", debug: "grey" };
const REASONS: Readonly<Record<string, string>> = {
  overload: "they came faster than they could be written",
  retention: "they were too many or too old to be kept",
  damage: "files of the log are gone or cannot be read",
};
/** Digits of a program's hash that people are shown. */
const SHORT_DIGITS = 12;
const MB = 1024 * 1024;

/** Line of a record, or of a gap, without a line end; further lines of its text are indented. */
export function logLine(item: LogItem, paint: Paint): string {
  const time = paint("grey", item.time_ms === undefined ? "-" : localTime(item.time_ms));
  if (item.kind === "missing") {
    const { missing = 0, reason = "" } = item;
    const of = item.function === undefined ? "" : ` of ${item.function}`;
    const records = missing === 1 ? "1 record is" : `${missing} records are`;
    return `${time} ${paint("yellow", `---   ${records} missing${of}: ${REASONS[reason] ?? reason}`)}`;
  }
  const { level = "info" } = item;
  const colour = COLOURS[level];
  const name = level.toUpperCase().padEnd(5);
  const whose = paint(
    "bold",
    item.function ?? item.program?.slice("sha256-".length, "sha256-".length + SHORT_DIGITS) ?? "-",
  );
  return `${time} ${colour ? paint(colour, name) : name} ${whose} ${textOf(item, paint)}`;
}

function textOf(item: LogItem, paint: Paint): string {
  if (item.kind === "invocation") return invocationText(item, paint);
  const cut = item.cut === undefined ? "" : ` … (${item.cut} characters more)`;
  const lines = `${printable(item.text ?? "")}${cut}`.replace(/\n+$/, "").replaceAll("\n", "\n    ");
  if (item.kind === "line") return lines;
  const limit = item.limit === undefined ? "" : ` (${item.limit.name} = ${item.limit.value})`;
  return `${item.code ?? item.kind}: ${lines}${paint("grey", `${limit}${requestOf(item)}`)}`;
}

function invocationText(item: LogItem, paint: Paint): string {
  const { method = "", path = "", status = 0, code, wall_ms, cpu_ms, memory_bytes, cold } = item;
  const shownStatus = status >= 500 ? paint("red", `${status}`) : status >= 400 ? paint("yellow", `${status}`) : status;
  const facts = [
    code,
    wall_ms !== undefined && `wall ${wall_ms} ms`,
    cpu_ms !== undefined && `cpu ${cpu_ms} ms`,
    // An invocation that was over before anybody measured it has none.
    memory_bytes !== undefined && memory_bytes > 0 && `memory ${(memory_bytes / MB).toFixed(1)} MiB`,
    cold === undefined ? false : cold ? "cold" : "warm",
  ].filter(Boolean);
  const told = facts.length === 0 ? "" : `  ${facts.join(", ")}`;
  return `${printable(method)} ${printable(path).replaceAll("\n", "\\n")} ${shownStatus}${paint("grey", `${told}${requestOf(item)}`)}`;
}

function requestOf({ request_id }: LogItem): string {
  return request_id === undefined ? "" : `  ${request_id}`;
}
