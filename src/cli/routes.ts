/** `isopod routes`: which requests go to which function of a project. */
import { Command } from "commander";
import { adminClient } from "./reaching/admin_client.ts";
import type { RouteView } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";
import { table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

interface RoutesOptions extends SharedOptions {
  readonly function?: string;
}

const HELP = `
These are the routes of deployed functions. Those of the server's configuration file come before them.

Examples:
  isopod routes
  isopod routes --function hello --json
`;

/** The command. */
export function routesCommand(): Command {
  const command = new Command("routes")
    .description("List the routes of a project's functions.")
    .option("--function <name>", "those of this function only");
  return addSharedOptions(command, "[{route, alias, function}]").addHelpText("after", HELP).action(routes);
}

async function routes(options: RoutesOptions): Promise<void> {
  const client = adminClient(options);
  const all = await client.list<RouteView & { readonly function: string }>(client.inProject("/routes"));
  const shown = all.filter((each) => options.function === undefined || each.function === options.function);
  if (options.json) return printJson(shown);
  if (shown.length === 0) {
    const whose = options.function === undefined ? `Project ${client.target.project}` : options.function;
    process.stdout.write(`${whose} has no routes that were deployed; those of a configuration file stand there\n`);
    return;
  }
  const paint = paintFor(process.stdout);
  const rows = shown.map(({ route, alias, function: fn }) => {
    const space = route.indexOf(" ");
    return [route.slice(0, space), route.slice(space + 1), fn, alias === "production" ? "" : alias];
  });
  process.stdout.write(table(["method", "path", "function", "alias"], rows, paint));
}
