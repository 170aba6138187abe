/** `isopod alias NAME [ALIAS] [VERSION[=WEIGHT]...]`: what aliases stand for, shown, set and deleted. */
import { Command } from "commander";
import { usageError } from "./exit_codes.ts";
import { adminClient } from "./reaching/admin_client.ts";
import type { FunctionView } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type RemovalOptions, yesOption } from "./reaching/command_options.ts";
import { describeTargets } from "./rollback.ts";
import { mayRemove } from "./terminal/ask.ts";
import { table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

interface AliasOptions extends RemovalOptions {
  readonly sticky?: string;
  readonly delete?: boolean;
}

const HELP = `
With several versions each gets its share of the callers by its weight; --sticky keeps a caller on one side.

Examples:
  isopod alias hello                                    shows all
  isopod alias hello production 3f2a9c=90 b81e04=10     a tenth goes to the new one
  isopod alias hello production b81e04                  everybody does
  isopod alias hello production 3f2a9c=90 b81e04=10 --sticky header:x-user
  isopod alias hello beta production                    a version may be named by another alias
  isopod alias hello beta --delete                      asks; --yes in a script
`;

/** The command. */
export function aliasCommand(): Command {
  const command = new Command("alias")
    .description("Show what aliases stand for, or let one stand for one version or several.")
    .argument("<name>", "the function")
    .argument("[alias]", "the alias")
    .argument("[version[=weight]...]", "versions, by the beginning of their hash or by an alias, with their weights")
    .option("--sticky <by>", "cookie, cookie:NAME, header:NAME or key (the API key): what keeps a caller on one side")
    .option("--delete", "delete the alias")
    .addOption(yesOption());
  return addSharedOptions(command, "{name, aliases, routes, ...}").addHelpText("after", HELP).action(alias);
}

async function alias(
  name: string,
  wanted: string | undefined,
  versions: readonly string[],
  options: AliasOptions,
): Promise<void> {
  const client = adminClient(options);
  const show = (fn: FunctionView) => (options.json ? printJson(fn) : process.stdout.write(showAliases(fn)));
  if (options.delete === true) {
    if (wanted === undefined || versions.length > 0)
      throw usageError("Cannot delete: expected one alias and no version");
    const removal = { verb: "delete", what: `alias ${wanted} of ${name}`, origin: client.target.url.origin } as const;
    if (!(await mayRemove(removal, options.yes))) return;
    await client.delete(client.ofFunction(name, `/aliases/${encodeURIComponent(wanted)}`));
    show(await client.get<FunctionView>(client.ofFunction(name)));
    return;
  }
  if (wanted === undefined || versions.length === 0) {
    const fn = await client.get<FunctionView>(client.ofFunction(name));
    const only = wanted === undefined ? fn.aliases : { [wanted]: fn.aliases[wanted] ?? unknownAlias(fn, wanted) };
    show({ ...fn, aliases: only });
    return;
  }
  const body = {
    targets: versions.map(readTarget),
    ...(options.sticky !== undefined && { sticky: readSticky(options.sticky) }),
  };
  show(await client.put<FunctionView>(client.ofFunction(name, `/aliases/${encodeURIComponent(wanted)}`), body));
}

function unknownAlias({ name, aliases }: FunctionView, wanted: string): never {
  throw usageError(`Cannot find the alias "${wanted}" of ${name}: there are ${Object.keys(aliases).join(", ")}`);
}

function readTarget(text: string): { version: string; weight: number } {
  const [, version, weight] = /^([^=]+)(?:=(\d{1,7}))?$/.exec(text) ?? [];
  if (version === undefined)
    throw usageError(`Cannot read "${text}": expected VERSION or VERSION=WEIGHT, such as 3f2a9c=10`);
  return { version, weight: Number(weight ?? 1) };
}

function readSticky(text: string): { by: string; name?: string } {
  const [, by, name] = /^(cookie|header|key)(?::(.+))?$/.exec(text) ?? [];
  if (by === undefined || (by === "header" && name === undefined) || (by === "key" && name !== undefined)) {
    throw usageError(`Cannot read --sticky "${text}": expected cookie, cookie:NAME, header:NAME or key`);
  }
  return { by, ...(name !== undefined && { name }) };
}

function showAliases({ aliases }: FunctionView): string {
  const paint = paintFor(process.stdout);
  const rows = Object.entries(aliases).map(([each, { targets, sticky }]) => [
    paint("green", each),
    describeTargets(targets),
    sticky === undefined ? "" : [sticky.by, sticky.name].filter(Boolean).join(":"),
  ]);
  return table(["alias", "versions", "sticky"], rows, paint);
}
