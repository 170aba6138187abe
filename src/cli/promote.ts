/** `isopod promote HASH NAME`: a program that ran, or is pinned, becomes a function; its hash is the version. */
import { Command } from "commander";
import { collect } from "./deploy/deploy.ts";
import { usageError } from "./exit_codes.ts";
import { routeLine } from "./reaching/addresses.ts";
import { adminClient } from "./reaching/admin_client.ts";
import type { DeployedView } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";

interface PromoteOptions extends SharedOptions {
  readonly route: readonly string[];
  readonly alias: string;
  readonly message?: string;
}

const HELP = `
The program must be among the last 1,000 sent to /run, or be pinned. Without --route the function's routes stay as they are.

Examples:
  isopod pin report.ts                                   prints its hash
  isopod promote sha256-9f86d0... report --route "GET /report"
`;

/** The command. */
export function promoteCommand(): Command {
  const command = new Command("promote")
    .description("Make a function of a program that ran or is pinned.")
    .argument("<hash>", "the program: sha256- and 64 digits")
    .argument("<name>", "the function")
    .option("--route <route>", 'a route, such as "GET /report"; may be repeated', collect, [])
    .option("--alias <name>", "the alias that is to stand for it", "production")
    .option("--message <text>", "what the version is remembered by");
  return addSharedOptions(command, "{function, version, short, preview, record}")
    .addHelpText("after", HELP)
    .action(promote);
}

async function promote(program: string, name: string, options: PromoteOptions): Promise<void> {
  if (!/^sha256-[0-9a-f]{64}$/.test(program)) {
    throw usageError(
      `Cannot read the hash "${program}": expected sha256- and 64 digits`,
      "`isopod pin FILE` prints it",
    );
  }
  const { route: routes, alias, message } = options;
  const client = adminClient(options);
  const body = { program, alias, ...(routes.length > 0 && { routes }), ...(message !== undefined && { message }) };
  const deployed = await client.post<DeployedView>(client.ofFunction(name, "/promote"), body);
  if (options.json) return printJson(deployed);
  const { record, preview, short } = deployed;
  const lines = record.routes.map(({ route }) => `  ${routeLine(route, preview, client.target.url)}\n`);
  process.stdout.write(`${name} serves ${short}\n${lines.join("")}  preview ${preview}\n`);
}
