/** `isopod rollback NAME [VERSION]`: lets an alias stand for what it stood for before; the next request sees it. */
import { Command } from "commander";
import { adminClient } from "./reaching/admin_client.ts";
import { type FunctionView, shortVersion } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";

interface RollbackOptions extends SharedOptions {
  readonly alias: string;
}

const HELP = `
Without a version the last move is taken back; twice, the one before as well. What runs ends on the version that it began on.

Examples:
  isopod rollback hello
  isopod rollback hello 3f2a9c         any version, by the beginning of its hash
`;

/** The command. */
export function rollbackCommand(): Command {
  const command = new Command("rollback")
    .description("Let an alias stand for what it stood for before, or for a version.")
    .argument("<name>", "the function")
    .argument("[version]", "the version to go to; `isopod versions NAME` lists them")
    .option("--alias <name>", "the alias", "production");
  return addSharedOptions(command, "{name, aliases, routes, ...}").addHelpText("after", HELP).action(rollback);
}

async function rollback(name: string, version: string | undefined, options: RollbackOptions): Promise<void> {
  const client = adminClient(options);
  const { alias } = options;
  const before = await client.get<FunctionView>(client.ofFunction(name));
  const body = { alias, ...(version !== undefined && { version }) };
  const after = await client.post<FunctionView>(client.ofFunction(name, "/rollback"), body);
  if (options.json) return printJson(after);
  const [was, is] = [before, after].map(({ aliases }) => describeTargets(aliases[alias]?.targets ?? []));
  process.stdout.write(was === is ? `${name}@${alias} stays ${is}\n` : `${name}@${alias} is ${is}, was ${was}\n`);
}

/** The versions of an alias: the one, or each with its share. */
export function describeTargets(targets: FunctionView["aliases"][string]["targets"]): string {
  const [only, ...others] = targets;
  if (only === undefined) return "nothing";
  if (others.length === 0) return shortVersion(only.version);
  const all = targets.reduce((sum, { weight }) => sum + weight, 0);
  return targets.map((each) => `${shortVersion(each.version)} ${Math.round((100 * each.weight) / all)}%`).join(", ");
}
