/** `isopod schedules`: which times call which functions, and how they fare. */
import { Command } from "commander";
import { adminClient } from "./reaching/admin_client.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";
import { ago, cell, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

interface ScheduleRow {
  readonly function: string;
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  readonly enabled: boolean;
  readonly nextAt?: number;
  readonly lastAt?: number;
  readonly lastOutcome?: string;
  readonly lastRequestId?: string;
  readonly runs: number;
  readonly failed: number;
  readonly missed: number;
  readonly skipped: number;
}

const HELP = `
A time that was due while no server ran is missed, and not made up for unless the schedule says so. Runs by hand are
not counted.

Examples:
  isopod schedules
  isopod schedules run reports nightly      runs it now
`;

/** The command. */
export function schedulesCommand(): Command {
  const command = new Command("schedules").description("List the schedules, or run one now.");
  addSharedOptions(
    command,
    "[{function, name, cron, timezone, enabled, nextAt, lastAt, lastOutcome, runs, failed, missed, skipped}]",
  )
    .addHelpText("after", HELP)
    .action(list);
  const run = new Command("run")
    .description("Run a schedule's function now.")
    .argument("<function>", "the function")
    .argument("[name]", "the schedule", "default");
  command.addCommand(addSharedOptions(run, "{requestId}").action(runNow));
  return command;
}

async function list(options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const rows = await client.list<ScheduleRow>(client.inProject("/schedules"));
  if (options.json) return printJson(rows);
  if (rows.length === 0) return void process.stdout.write("There are no schedules.\n");
  const lines = rows.map((row) => [
    ...[cell(row.function), row.name, row.timezone === "UTC" ? row.cron : `${row.cron} (${row.timezone})`],
    !row.enabled
      ? "off"
      : row.nextAt === undefined
        ? "never"
        : new Date(row.nextAt).toISOString().replace(".000Z", "Z"),
    row.lastAt === undefined ? "" : `${row.lastOutcome} ${ago(row.lastAt)}`,
    ...[row.runs, row.failed, row.missed, row.skipped].map(String),
  ]);
  const counts = ["runs", "failed", "missed", "skipped"].map((title) => ({ title, align: "right" as const }));
  const heads = ["function", "name", "cron", "next", "last", ...counts];
  process.stdout.write(table(heads, lines, paintFor(process.stdout)));
}

async function runNow(name: string, schedule: string, options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const path = `/schedules/${encodeURIComponent(name)}/${encodeURIComponent(schedule)}/run`;
  const { requestId } = await client.post<{ readonly requestId: string }>(client.inProject(path), {});
  if (options.json) return printJson({ requestId });
  process.stdout.write(`${name} has run; its request is ${requestId}\n`);
}
