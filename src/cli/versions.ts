/** `isopod versions NAME`: what was deployed of a function, the youngest first. */
import { Command } from "commander";
import { adminClient } from "./reaching/admin_client.ts";
import type { VersionView } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";
import { ago, byteSize, cell, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

const HELP = `
A version answers at its preview address whether or not an alias stands for it.

Examples:
  isopod versions hello
  isopod rollback hello 3f2a9c
  isopod versions hello --json | jq -r '.[0].preview'
`;

/** The command. */
export function versionsCommand(): Command {
  const command = new Command("versions")
    .description("List the versions of a function, the youngest first.")
    .argument("<name>", "the function");
  return addSharedOptions(command, "[{version, short, aliases, createdAt, createdBy, message, preview, ...}]")
    .addHelpText("after", HELP)
    .action(versions);
}

async function versions(name: string, options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  // Asked for first: the versions of a function that is not there are an empty list.
  await client.get(client.ofFunction(name));
  const all = await client.list<VersionView>(client.ofFunction(name, "/versions"));
  if (options.json) return printJson(all);
  const paint = paintFor(process.stdout);
  const rows = all.map(({ short, aliases, createdAt, createdBy, files, message = "" }) => [
    paint("bold", short),
    paint("green", aliases.join(", ")),
    ago(createdAt),
    byteSize(files.reduce((sum, { bytes }) => sum + bytes, 0)),
    cell(createdBy, 30),
    cell(message),
  ]);
  process.stdout.write(table(["version", "alias", "made", "size", "by", "message"], rows, paint));
}
