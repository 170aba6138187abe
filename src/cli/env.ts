/** `isopod env NAME list|set|unset`: the variables of a deployed function; each change is a new version. */
import { Argument, Command } from "commander";
import { usageError } from "./exit_codes.ts";
import { type AdminClient, adminClient } from "./reaching/admin_client.ts";
import { type DeployedView, type FunctionView, shortVersion, type VersionView } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";
import { readFunction, readVersion } from "./reaching/exact_version.ts";
import { printable } from "./terminal/terminal.ts";

interface EnvOptions extends SharedOptions {
  readonly alias: string;
}

type Changes = Readonly<Record<string, string | null>>;

const HELP = `
A change makes a new version of the same files, which the alias stands for at once; \`isopod rollback NAME\` takes it back.
What nobody may read again is no variable but a secret: isopod secret set NAME.

Examples:
  isopod env hello list
  isopod env hello set GREETING=hi REGION=eu
  isopod env hello unset REGION
`;

/** The command. */
export function envCommand(): Command {
  const command = new Command("env")
    .description("Show or change the variables of a function.")
    .argument("<function>", "its name")
    .addArgument(new Argument("<action>", "what to do").choices(["list", "set", "unset"]))
    .argument("[variables...]", "NAME=VALUE to set, NAME to unset")
    .option("--alias <alias>", "the alias whose version is changed", "production");
  return addSharedOptions(command, "the variables, or {version, previous, unchanged, preview},")
    .addHelpText("after", HELP)
    .action(changeEnv);
}

async function changeEnv(name: string, action: string, variables: string[], options: EnvOptions): Promise<void> {
  const changes = action === "list" ? noChanges(variables) : readChanges(action, variables);
  const client = adminClient(options);
  const record = await readFunction(client, name);
  const current = await readVersion(client, record, options.alias);
  if (action === "list") return list(current, options);
  const unknown = Object.keys(changes).filter(
    (each) => changes[each] === null && !Object.hasOwn(current.settings.env, each),
  );
  if (unknown.length > 0)
    throw usageError(`Cannot unset ${unknown.join(", ")}: ${name} has no such variable`, `isopod env ${name} list`);
  tell(name, current, await patch(client, record, changes, options.alias), options);
}

/** Changes what was read, and nothing that somebody else has made of it meanwhile. */
function patch(client: AdminClient, record: FunctionView, env: Changes, alias: string): Promise<DeployedView> {
  const path = client.ofFunction(record.name, "/settings");
  return client.patch<DeployedView>(path, { env, alias }, { ifMatch: record.revision });
}

function list({ settings }: VersionView, { json }: EnvOptions): void {
  if (json) return printJson(settings.env);
  const lines = Object.entries(settings.env).map(([name, value]) => `${printable(`${name}=${value}`)}\n`);
  process.stdout.write(lines.join(""));
}

function tell(name: string, before: VersionView, after: DeployedView, { json, alias }: EnvOptions): void {
  const { version, short, unchanged, preview } = after;
  if (json) return printJson({ version, previous: before.version, unchanged, preview });
  const previous = shortVersion(before.version);
  process.stdout.write(
    unchanged
      ? `${name} has these already; its version ${short} stays\n`
      : `${name} has a new version ${short}, which ${alias} stands for now (before: ${previous})\n`,
  );
}

function noChanges(variables: readonly string[]): Changes {
  if (variables.length === 0) return {};
  throw usageError(`Cannot list ${variables.join(" ")}: list takes no variables; set and unset do`);
}

function readChanges(action: string, variables: readonly string[]): Changes {
  const expected = action === "set" ? "NAME=VALUE" : "NAME";
  if (variables.length === 0) throw usageError(`Cannot ${action} nothing: expected ${expected}...`);
  return Object.fromEntries(
    variables.map((text) => {
      const at = text.indexOf("=");
      // A value may be secret by mistake; it is not repeated.
      if (action === "set" ? at < 1 : at >= 0 || text === "")
        throw usageError(`Cannot ${action} "${at < 0 ? text : `${text.slice(0, at)}=…`}": expected ${expected}`);
      return action === "set" ? [text.slice(0, at), text.slice(at + 1)] : [text, null];
    }),
  );
}
