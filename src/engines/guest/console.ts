/**
 * `console` for programs: what is written becomes lines for the host, at once and in order.
 *
 * Bun's own console writes to a descriptor; this one gives text to a sink with a level, so that a line belongs to the
 * invocation that wrote it and is not lost when the instance is ended in the middle of the next statement.
 */

/** How severe a line is. */
export type Level = "debug" | "info" | "warn" | "error";

/** Receives each line, without its line end. */
export type LineSink = (level: Level, text: string) => void;

/** How values look that are no text. */
export interface Inspector {
  inspect(value: unknown): string;
  table(value: object): string;
}

/** A console that writes to `sink`. */
export function createConsole(sink: LineSink, inspector: Inspector): Console {
  const counts = new Map<string, number>();
  const timers = new Map<string, number>();
  let indent = "";
  const write = (level: Level, args: unknown[]) => {
    const text = format(args, inspector);
    sink(level, indent === "" ? text : text.replace(/^/gm, indent));
  };
  const elapsed = (label: string) =>
    `${label}: ${(performance.now() - (timers.get(label) ?? performance.now())).toFixed(3)}ms`;
  const group = (...args: unknown[]) => {
    if (args.length > 0) write("info", args);
    if (indent.length < 64) indent += "  ";
  };
  const own = {
    log: (...args: unknown[]) => write("info", args),
    info: (...args: unknown[]) => write("info", args),
    debug: (...args: unknown[]) => write("debug", args),
    warn: (...args: unknown[]) => write("warn", args),
    error: (...args: unknown[]) => write("error", args),
    trace: (...args: unknown[]) =>
      write("error", [`Trace: ${format(args, inspector)}\n${new Error().stack?.split("\n").slice(1).join("\n")}`]),
    dir: (value: unknown) => write("info", [inspector.inspect(value)]),
    dirxml: (...args: unknown[]) => write("info", args),
    table: (value: unknown) => write("info", [tabular(value, inspector)]),
    assert(condition?: unknown, ...args: unknown[]) {
      if (!condition) write("error", ["Assertion failed", ...args]);
    },
    count(label = "default") {
      const count = (counts.get(label) ?? 0) + 1;
      counts.set(label, count);
      write("info", [`${label}: ${count}`]);
    },
    countReset: (label = "default") => void counts.delete(label),
    time: (label = "default") => void timers.set(label, performance.now()),
    timeLog: (label = "default", ...args: unknown[]) => write("info", [elapsed(label), ...args]),
    timeEnd(label = "default") {
      write("info", [elapsed(label)]);
      timers.delete(label);
    },
    group,
    groupCollapsed: group,
    groupEnd() {
      indent = indent.slice(2);
    },
    clear() {},
  };
  // Inherited and not copied: reading every member would build parts of Node's console for 11 ms.
  return Object.setPrototypeOf(own, console) as Console;
}

function tabular(value: unknown, inspector: Inspector): string {
  return typeof value === "object" && value !== null ? inspector.table(value).trimEnd() : show(value, inspector);
}

function show(value: unknown, inspector: Inspector): string {
  return typeof value === "string" ? value : inspector.inspect(value);
}

const DIRECTIVE = /%[sdifoOjc%]/g;

/** The console's formatting (WHATWG Console, "Formatter"): directives in the first text, the rest joined by spaces. */
export function format(args: readonly unknown[], inspector: Inspector): string {
  const [first, ...rest] = args;
  const text = (value: unknown) => show(value, inspector);
  if (typeof first !== "string" || rest.length === 0 || !first.includes("%")) return args.map(text).join(" ");
  const filled = first.replace(DIRECTIVE, (directive) => {
    if (directive === "%%") return "%";
    if (rest.length === 0) return directive;
    return substitute(directive, rest.shift(), text);
  });
  return [filled, ...rest.map(text)].join(" ");
}

function substitute(directive: string, value: unknown, show: (value: unknown) => string): string {
  switch (directive) {
    case "%s":
      return typeof value === "string" ? value : show(value);
    case "%d":
    case "%i":
      return typeof value === "bigint"
        ? `${value}n`
        : String(directive === "%i" ? Number.parseInt(String(value), 10) : Number(value));
    case "%f":
      return String(Number.parseFloat(String(value)));
    case "%j":
      return JSON.stringify(value) ?? "undefined";
    case "%c":
      return "";
    default:
      return show(value);
  }
}
