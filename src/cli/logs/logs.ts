/** `isopod logs`: what programs wrote and how their invocations ended, up to now or as it happens. */
import { Command, Option } from "commander";
import { usageError } from "../exit_codes.ts";
import { watchLauncher } from "../lifeline.ts";
import { type AdminClient, adminClient } from "../reaching/admin_client.ts";
import { addSharedOptions, type SharedOptions } from "../reaching/command_options.ts";
import { paintFor, writeOut } from "../terminal/terminal.ts";
import { parseMoment } from "../terminal/times.ts";
import { followItems } from "./log_follow.ts";
import { type LogItem, logLine } from "./log_lines.ts";
import { allItems, type LogQuery, lastItems } from "./log_pages.ts";

interface LogsOptions extends SharedOptions {
  readonly follow?: boolean;
  readonly function?: string;
  readonly version?: string;
  readonly request?: string;
  readonly level?: string;
  readonly since?: string;
  readonly until?: string;
  readonly grep?: string;
  readonly lines?: number;
}

/** Records that are shown when nobody says how many; with --follow those before the new ones. */
const LINES = 100;
const LINES_BEFORE = 10;
/** They are held in memory to be turned round. */
const LINES_MAX = 10_000;

const HELP = `
Without --since the last records are shown, with it all since then. Records that are missing are told with their number.
--follow goes on after the last record when it loses the server, and ends by Ctrl-C.

Examples:
  isopod logs --follow
  isopod logs --function hello --level warn --since 1h
  isopod logs --request 01hxy8z3v6q4                      all of one request
  isopod logs --function hello --version production -n 20
  isopod logs --since 1d --json | jq 'select(.kind == "invocation").cpu_ms'
`;

/** The command. */
export function logsCommand(): Command {
  const command = new Command("logs")
    .description("Show what programs wrote, their failures, and how each invocation ended.")
    .option("-f, --follow", "go on with what comes")
    .option("--function <name>", "of this function only")
    .option(
      "--version <version>",
      "of this version only: its hash; with --function also the beginning of it, or an alias",
    )
    .option("--request <id>", "of this request only, by its Isopod-Request-Id")
    .addOption(new Option("--level <level>", "the least level").choices(["debug", "info", "warn", "error"]))
    .option("--since <when>", "from then on: how long ago (90s, 10m, 2h, 7d), or a time (2026-01-31T12:00:00Z)")
    .option("--until <when>", "up to then")
    .option("--grep <text>", "with this text in them, in the same case")
    .addOption(
      new Option(
        "-n, --lines <number>",
        `the last so many, ${LINES_MAX} at the most (default: ${LINES}, or ${LINES_BEFORE} to follow)`,
      ).argParser(readLines),
    );
  return addSharedOptions(command, "each record as a line").addHelpText("after", HELP).action(showLogs);
}

function readLines(text: string): number {
  const lines = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (lines <= LINES_MAX) return lines;
  throw usageError(
    `Cannot read --lines "${text}": expected a number from 0 to ${LINES_MAX}`,
    "--since shows all records from a time on, however many they are",
  );
}

async function showLogs(options: LogsOptions): Promise<void> {
  const { follow, json, since, lines } = options;
  if (follow && options.until !== undefined)
    throw usageError("Cannot follow the log up to a time: --until and --follow exclude each other");
  watchLauncher(() => process.exit(137));
  const client = adminClient(options);
  const query = await queryOf(client, options);
  const paint = paintFor(process.stdout);
  let isEmpty = true;
  const show = (item: LogItem) => {
    isEmpty = false;
    return writeOut(json ? `${JSON.stringify(item)}\n` : `${logLine(item, paint)}\n`);
  };
  let newestId: number;
  if (since !== undefined && lines === undefined) {
    newestId = await showAll(client, query, show);
  } else {
    const last = await lastItems(client, query, lines ?? (follow ? LINES_BEFORE : LINES));
    for (const item of last.items) await show(item);
    newestId = last.newestId;
  }
  if (!follow) {
    // Not in the output, which may be read by a program.
    if (isEmpty && lines !== 0 && !json) process.stderr.write("There are no such records\n");
    return;
  }
  const tell = (text: string) => process.stderr.write(`isopod: ${text}\n`);
  const events = {
    lost: (reason: string) => tell(`the connection is lost (${reason}); trying again`),
    found: () => tell("connected again; nothing was missed but what is told"),
  };
  for await (const item of followItems(client, query, newestId, events)) await show(item);
}

async function showAll(client: AdminClient, query: LogQuery, show: (item: LogItem) => Promise<void>): Promise<number> {
  const items = allItems(client, query);
  for (;;) {
    const { value, done } = await items.next();
    if (done) return value;
    await show(value);
  }
}

async function queryOf(client: AdminClient, options: LogsOptions): Promise<LogQuery> {
  const { request, level, since, until, grep } = options;
  const now = Date.now();
  // Programs that were sent belong to no project; they are shown unless somebody asks for one.
  const isOfProject = client.target.projectNamed || options.function !== undefined;
  return {
    ...(isOfProject && { project: client.target.project }),
    ...(options.function !== undefined && { function: options.function }),
    ...(options.version !== undefined && { version: await wholeVersion(client, options.version, options.function) }),
    ...(request !== undefined && { request_id: request }),
    ...(level !== undefined && { level }),
    ...(since !== undefined && { from: String(parseMoment(since, "--since", now)) }),
    ...(until !== undefined && { to: String(parseMoment(until, "--until", now)) }),
    ...(grep !== undefined && { text: grep }),
  };
}

/** The hash that records have. */
async function wholeVersion(client: AdminClient, text: string, fn: string | undefined): Promise<string> {
  if (/^sha256-[0-9a-f]{64}$/.test(text)) return text;
  if (fn === undefined) {
    throw usageError(
      `Cannot tell whose version "${text}" is: expected "sha256-" and 64 digits, or --function beside it`,
      `isopod logs --function NAME --version ${text}`,
    );
  }
  const { version } = await client.get<{ version: string }>(
    client.ofFunction(fn, `/versions/${encodeURIComponent(text)}`),
  );
  return version;
}
