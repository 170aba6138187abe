/** `isopod delete NAME`: a function with its versions and routes, or one version of it. */
import { Command } from "commander";
import { adminClient } from "./reaching/admin_client.ts";
import type { FunctionView, VersionView } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type RemovalOptions, yesOption } from "./reaching/command_options.ts";
import { mayRemove } from "./terminal/ask.ts";

interface DeleteOptions extends RemovalOptions {
  readonly version?: string;
}

const HELP = `
It asks before it deletes; in a script --yes is the answer. What runs ends on its own. A version that an alias stands
for cannot be deleted. Old versions go by themselves: the youngest 10 stay, and those younger than 7 days.

Examples:
  isopod delete hello
  isopod delete hello --version 3f2a9c --yes
`;

/** The command. */
export function deleteCommand(): Command {
  const command = new Command("delete")
    .description("Delete a function with its versions and routes, or one version.")
    .argument("<name>", "the function")
    .option("--version <version>", "delete this version only")
    .addOption(yesOption());
  return addSharedOptions(command, "{deleted}").addHelpText("after", HELP).action(remove);
}

async function remove(name: string, options: DeleteOptions): Promise<void> {
  const client = adminClient(options);
  const { version } = options;
  const fn = await client.get<FunctionView>(client.ofFunction(name));
  const path = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  const known = version === undefined ? undefined : await client.get<VersionView>(client.ofFunction(name, path));
  const routes = `${fn.routes.length} route${fn.routes.length === 1 ? "" : "s"}`;
  const what = known === undefined ? `${name} with ${routes} and all versions` : `version ${known.short} of ${name}`;
  if (!(await mayRemove({ verb: "delete", what, origin: client.target.url.origin }, options.yes))) return;
  await client.delete(client.ofFunction(name, path), known === undefined ? { ifMatch: fn.revision } : {});
  if (options.json) return printJson({ deleted: what });
  process.stdout.write(`Deleted ${what}\n`);
}
