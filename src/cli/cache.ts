/** `isopod cache purge`: cached answers of a project are forgotten. */
import { Command } from "commander";
import { collect } from "./deploy/deploy.ts";
import { usageError } from "./exit_codes.ts";
import { adminClient } from "./reaching/admin_client.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";

interface PurgeOptions extends SharedOptions {
  readonly function?: string;
  readonly address: readonly string[];
  readonly tag: readonly string[];
  readonly everything?: boolean;
}

const HELP = `
What has one of the addresses or one of the tags goes. Tags are those of the answers' Cache-Tag.

Examples:
  isopod cache purge --tag product-17
  isopod cache purge --address https://shop.example.com/list --function shop
  isopod cache purge --everything
`;

/** The command. */
export function cacheCommand(): Command {
  const command = new Command("cache").description("What the gateway keeps of answers.");
  const purge = new Command("purge")
    .description("Forget cached answers.")
    .option("--function <name>", "only those of this function")
    .option("--address <url>", "only those of this whole address; may be repeated", collect, [])
    .option("--tag <tag>", "only those with this tag; may be repeated", collect, [])
    .option("--everything", "all of the project's");
  command.addCommand(addSharedOptions(purge, "{purged}").addHelpText("after", HELP).action(run));
  return command;
}

async function run(options: PurgeOptions): Promise<void> {
  const { function: name, address, tag, everything } = options;
  const isChosen = name !== undefined || address.length + tag.length > 0;
  if (isChosen === (everything === true)) {
    throw usageError("Cannot purge: expected --function, --address or --tag, or --everything alone");
  }
  const client = adminClient(options);
  const body = {
    ...(name !== undefined && { function: name }),
    ...(address.length > 0 && { urls: address }),
    ...(tag.length > 0 && { tags: tag }),
    ...(everything && { everything }),
  };
  const { purged } = await client.post<{ readonly purged: number }>(client.inProject("/cache/purge"), body);
  if (options.json) return printJson({ purged });
  process.stdout.write(`${purged} cached ${purged === 1 ? "answer is" : "answers are"} forgotten\n`);
}
