/** `isopod audit`: who changed what, the newest first. */
import { Command, Option } from "commander";
import { usageError } from "./exit_codes.ts";
import { type AdminClient, adminClient } from "./reaching/admin_client.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";
import { cell, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";
import { localTime } from "./terminal/times.ts";

interface AuditOptions extends SharedOptions {
  readonly lines: number;
}

interface AuditEntry {
  readonly at: number;
  readonly who: string;
  readonly action: string;
  readonly project?: string;
  readonly what: string;
}

const LINES_MAX = 10_000;
const PAGE_ITEMS_MAX = 1000;

const HELP = `
With the server's token all projects are shown, or the one of --project; with a key its own.

Examples:
  isopod audit
  isopod audit --project shop -n 100
  isopod audit --json | jq '.[] | select(.action == "rollback")'
`;

/** The command. */
export function auditCommand(): Command {
  const command = new Command("audit")
    .description("Show who changed what.")
    .addOption(
      new Option("-n, --lines <number>", `the last so many, ${LINES_MAX} at the most`).argParser(readLines).default(50),
    );
  return addSharedOptions(command, "the entries, with what was before and after,")
    .addHelpText("after", HELP)
    .action(showAudit);
}

function readLines(text: string): number {
  const lines = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (lines >= 1 && lines <= LINES_MAX) return lines;
  throw usageError(`Cannot read --lines "${text}": expected a number from 1 to ${LINES_MAX}`);
}

async function showAudit(options: AuditOptions): Promise<void> {
  const client = adminClient(options);
  const entries = await readEntries(client, await auditPath(client), options.lines);
  if (options.json) return printJson(entries);
  const rows = entries.map(({ at, who, action, project, what }) => {
    return [localTime(at), cell(who), cell(action), cell(project ?? "-"), cell(what)];
  });
  process.stdout.write(table(["time", "who", "did", "project", "what"], rows, paintFor(process.stdout)));
}

/** Everybody's for the server's token, unless a project is named; a key's own for a key. */
async function auditPath(client: AdminClient): Promise<string> {
  if (client.target.projectNamed) return client.inProject("/audit");
  const { project } = await client.get<{ project?: string }>("/v1/whoami");
  return project === undefined ? "/v1/audit" : `/v1/projects/${encodeURIComponent(project)}/audit`;
}

async function readEntries(client: AdminClient, path: string, count: number): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  let cursor: string | undefined;
  do {
    const limit = Math.min(PAGE_ITEMS_MAX, count - entries.length);
    const query = `limit=${limit}${cursor === undefined ? "" : `&cursor=${cursor}`}`;
    const page = await client.get<{ items: AuditEntry[]; next?: string }>(`${path}?${query}`);
    entries.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined && entries.length < count);
  return entries;
}
