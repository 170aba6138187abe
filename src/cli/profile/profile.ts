/** `isopod profile`: servers by name, and which of them is meant when nobody says it. */
import { Command } from "commander";
import { CommandFailure, EXIT } from "../exit_codes.ts";
import { printJson } from "../reaching/command_options.ts";
import { serverUrl } from "../reaching/server_client.ts";
import { readHidden } from "../terminal/hidden_input.ts";
import { cell, table } from "../terminal/table.ts";
import { paintFor } from "../terminal/terminal.ts";
import { findProfile, type Profile, profilesFile, readProfiles, writeProfiles } from "./profiles.ts";

interface AddOptions {
  readonly url: string;
  readonly project?: string;
  readonly tokenStdin?: boolean;
  readonly use?: boolean;
  readonly json?: boolean;
}

const HELP = `
Commands take a profile by --profile NAME or ISOPOD_PROFILE; else the current one is meant, else the server on this
machine. Tokens are kept in a file that its owner alone can read, and are never shown.

Examples:
  isopod profile add staging --url https://isopod.example.com:8081 --project shop    asks for the token
  isopod profile add ci --url https://isopod.example.com:8081 --token-stdin < key
  isopod profile use staging
  isopod profile use                   none is: back to the server on this machine
  isopod profile list
`;

/** The command. */
export function profileCommand(): Command {
  const list = new Command("list").description("List the profiles; a * stands before the current one.");
  const add = new Command("add")
    .description("Make or change a profile.")
    .argument("<profile>", 'letters, digits, "-" and "_"')
    .requiredOption("--url <url>", "the admin API")
    .option("--project <name>", "the project that commands are about")
    .option("--token-stdin", "read the token, or a key, from standard input (default: asks on a terminal)")
    .option("--use", "make it the current one");
  const use = new Command("use")
    .description("Make a profile the current one; without a name none is.")
    .argument("[profile]");
  const remove = new Command("remove").description("Remove a profile with its token.").argument("<profile>");
  const command = new Command("profile").description("Keep servers by name: address, token and project.");
  for (const each of [
    list.action(listProfiles),
    add.action(addProfile),
    use.action(useProfile),
    remove.action(removeProfile),
  ])
    command.addCommand(each.option("--json", "print the profiles, without tokens, as JSON").addHelpText("after", HELP));
  return command.addHelpText("after", HELP);
}

function listProfiles({ json }: Pick<AddOptions, "json">): void {
  const { profiles, current } = readProfiles();
  if (json) return printProfiles();
  if (profiles.size === 0) {
    process.stdout.write(`There are no profiles in ${profilesFile()}; isopod profile add NAME --url … makes one\n`);
    return;
  }
  const rows = [...profiles].map(([name, { url, project, token }]) => [
    ...[
      name === current ? "*" : "",
      name,
      cell(url),
      cell(project ?? "default"),
      token === undefined ? "none" : "kept",
    ],
  ]);
  process.stdout.write(table(["", "profile", "admin API", "project", "token"], rows, paintFor(process.stdout)));
}

async function addProfile(name: string, options: AddOptions): Promise<void> {
  const { profiles, current } = readProfiles();
  const url = serverUrl(options.url, "/").href.replace(/\/$/, "");
  const project = options.project ?? profiles.get(name)?.project;
  const token = (await readToken(options)) || keptToken(profiles.get(name), url);
  const profile = { url, ...(token && { token }), ...(project !== undefined && { project }) };
  writeProfiles({ profiles: new Map(profiles).set(name, profile), current: options.use ? name : current });
  if (options.json) return printProfiles();
  process.stdout.write(
    `Profile ${name} is ${profiles.has(name) ? "changed" : "kept"}: isopod status --profile ${name}\n`,
  );
}

async function readToken({ tokenStdin }: AddOptions): Promise<string | undefined> {
  if (!tokenStdin && process.stdin.isTTY !== true) return undefined;
  return (await readHidden("Token or key (it is not shown; Enter for none): ")).trim();
}

/** The token of before, unless the profile has moved to another server. */
function keptToken(before: Profile | undefined, url: string): string | undefined {
  return before !== undefined && serverUrl(before.url, "/").origin === new URL(url).origin ? before.token : undefined;
}

function useProfile(name: string | undefined, { json }: Pick<AddOptions, "json">): void {
  if (name !== undefined) findProfile(name);
  writeProfiles({ profiles: readProfiles().profiles, current: name });
  if (json) return printProfiles();
  process.stdout.write(
    name === undefined
      ? "No profile is current: the server on this machine is meant\n"
      : `${name} is the current profile\n`,
  );
}

function removeProfile(name: string, { json }: Pick<AddOptions, "json">): void {
  const { profiles, current } = readProfiles();
  const left = new Map(profiles);
  if (!left.delete(name)) {
    throw new CommandFailure(`There is no profile "${name}" in ${profilesFile()}`, {
      exitCode: EXIT.notFound,
      hint: "`isopod profile list` lists them",
    });
  }
  writeProfiles({ profiles: left, current: current === name ? undefined : current });
  if (json) return printProfiles();
  process.stdout.write(`Profile ${name} is removed\n`);
}

function printProfiles(): void {
  const { profiles, current } = readProfiles();
  printJson(
    [...profiles].map(([name, { token, ...profile }]) => {
      return { name, ...profile, hasToken: token !== undefined, current: name === current };
    }),
  );
}
