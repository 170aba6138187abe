/**
 * The server's own log: pino's JSON lines on stderr, or lines for people when stderr is a terminal.
 *
 * `ISOPOD_LOG` holds the level. pino formats, a `LineSink` writes: pino's transports run in worker threads, which a
 * compiled binary does not have the files for. Programs' output is not logged here unless somebody passes it on.
 */
import pino from "pino";
import type { Clock } from "../core/clock.ts";
import { createLineSink, type LineSink } from "./line_sink.ts";

/** The levels, the most talkative first. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;

/** How much is logged. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What a line carries beside its message; `error` is written with its stack and its cause. */
export type LogFields = Readonly<Record<string, unknown>>;

/** A log. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose lines carry `fields` too. */
  child(fields: LogFields): Log;
  /** Writes what is gathered before it returns. */
  flushSync(): void;
}

/** Where and how a log writes. */
export interface LogOptions {
  readonly clock: Clock;
  readonly level?: LogLevel;
  /** Lines for people; else JSON. */
  readonly pretty?: boolean;
  /** stderr when left out. */
  readonly sink?: LineSink;
}

const STDERR = 2;
const DELAY_MS = 20;

/**
 * The level that `ISOPOD_LOG` asks for; `info` when it is not set.
 * @throws {Error} naming the levels there are.
 */
export function parseLogLevel(text: string | undefined): LogLevel {
  const level = LOG_LEVELS.find((name) => name === (text ?? "info").toLowerCase());
  if (level === undefined)
    throw new Error(`Cannot read ISOPOD_LOG "${text}": expected one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

/** A sink for stderr, which the log and the access log share. */
export function createStderrSink(clock: Clock): LineSink {
  const droppedLine = (count: number): string =>
    JSON.stringify({ level: "warn", msg: `${count} log lines were dropped` });
  return createLineSink({ fd: STDERR, clock, delayMs: DELAY_MS, droppedLine });
}

/** Creates a log. */
export function createLog(options: LogOptions): Log {
  const sink = options.sink ?? createStderrSink(options.clock);
  const { pretty = false, clock } = options;
  const logger = pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: () => `,"time":"${new Date(clock.wallNow()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: errorFields },
    },
    { write: (line: string) => sink.write(pretty ? prettyLine(line) : line.trimEnd()) },
  );
  return new PinoLog(logger, sink);
}

class PinoLog implements Log {
  readonly #logger: pino.Logger;
  readonly #sink: LineSink;

  constructor(logger: pino.Logger, sink: LineSink) {
    this.#logger = logger;
    this.#sink = sink;
  }

  debug(message: string, fields?: LogFields): void {
    this.#logger.debug(fields ?? {}, "%s", message);
  }

  info(message: string, fields?: LogFields): void {
    this.#logger.info(fields ?? {}, "%s", message);
  }

  warn(message: string, fields?: LogFields): void {
    this.#logger.warn(fields ?? {}, "%s", message);
  }

  error(message: string, fields?: LogFields): void {
    this.#logger.error(fields ?? {}, "%s", message);
  }

  child(fields: LogFields): Log {
    return new PinoLog(this.#logger.child(fields), this.#sink);
  }

  flushSync(): void {
    this.#sink.flushSync();
  }
}

/** An error as fields, its causes below it; anything else as it is. */
function errorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const cause = error.cause === undefined || depth >= 4 ? {} : { cause: errorFields(error.cause, depth + 1) };
  return { name: error.name, ...code, message: error.message, stack: error.stack, ...cause };
}

const COLOURS: Readonly<Record<string, string>> = { trace: "90", debug: "36", info: "32", warn: "33", error: "31" };

/** One JSON line as people like to read it. */
function prettyLine(json: string): string {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(json);
  } catch {
    return json.trimEnd();
  }
  const { level, time, msg, error, ...fields } = line;
  const label = String(level);
  const clock = String(time).slice(11, 23);
  const rest = Object.entries(fields).map(([name, value]) => ` \u001b[90m${name}=\u001b[0m${printable(value)}`);
  const stack = error === undefined ? "" : `\n${stackOf(error)}`;
  const head = `\u001b[90m${clock}\u001b[0m \u001b[${COLOURS[label] ?? "0"}m${label.padEnd(5)}\u001b[0m`;
  return `${head} ${escapeControls(String(msg ?? ""))}${rest.join("")}${stack}`;
}

function printable(value: unknown): string {
  return escapeControls(typeof value === "string" && /^[^\s"]+$/.test(value) ? value : (JSON.stringify(value) ?? ""));
}

function stackOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return `  ${printable(error)}`;
  const { stack, message, cause } = error as Record<string, unknown>;
  const own = escapeControls(String(stack ?? message ?? ""), true).replace(/^/gm, "  ");
  return cause === undefined ? own : `${own}\n  caused by\n${stackOf(cause)}`;
}

/** What comes from callers must not move the cursor of somebody's terminal. */
function escapeControls(text: string, keepLines = false): string {
  const controls = keepLines ? /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g : /[\u0000-\u001f\u007f-\u009f]/g;
  return text.replace(controls, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
