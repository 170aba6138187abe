/** `isopod secret`: the secrets of a project. Values go to the server and are never shown again, here or there. */
import { Command } from "commander";
import { CommandFailure, usageError } from "./exit_codes.ts";
import { adminClient } from "./reaching/admin_client.ts";
import {
  addSharedOptions,
  printJson,
  type RemovalOptions,
  type SharedOptions,
  yesOption,
} from "./reaching/command_options.ts";
import { mayRemove } from "./terminal/ask.ts";
import { readHidden } from "./terminal/hidden_input.ts";
import { ago, cell, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

interface SecretView {
  readonly name: string;
  readonly updatedAt: number;
  readonly usedBy: readonly string[];
}

const HELP = `
A function is given a secret by a binding of its deploy; a new value replaces the instances that have the one of before.

Examples:
  isopod secret set STRIPE_KEY                     asks for the value, and shows nothing of it
  isopod secret set STRIPE_KEY < stripe.key        or from a pipe; one line end at the end does not count
  isopod secret list
  isopod secret delete STRIPE_KEY                  asks; --yes in a script
  isopod secret rotate                             after a new key stands before the old one in the server's key file
`;

/** The command. */
export function secretCommand(): Command {
  const set = new Command("set")
    .description("Set a secret: its value comes from standard input, or is asked for on a terminal.")
    .argument("<name>", "letters, digits and _");
  const remove = new Command("delete")
    .description("Delete a secret that no current version has.")
    .argument("<name>")
    .addOption(yesOption());
  const list = new Command("list").description("List the names of secrets, and who has them.");
  const rotate = new Command("rotate").description(
    "Encrypt every secret anew, with the first key that the server has.",
  );
  return new Command("secret")
    .description("Set, list and delete the secrets of a project.")
    .addCommand(addSharedOptions(set, "{name, project}").addHelpText("after", HELP).action(setSecret))
    .addCommand(addSharedOptions(list, "the secrets").addHelpText("after", HELP).action(listSecrets))
    .addCommand(addSharedOptions(remove, "{deleted}").addHelpText("after", HELP).action(deleteSecret))
    .addCommand(addSharedOptions(rotate, "{rotated, unreadable}").addHelpText("after", HELP).action(rotateSecrets))
    .addHelpText("after", HELP);
}

async function setSecret(name: string, options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const value = await readHidden(`Value of ${name} (it is not shown): `);
  if (value === "") throw usageError(`Cannot set ${name}: standard input is empty`, `isopod secret set ${name} < FILE`);
  await client.put(client.inProject(`/secrets/${encodeURIComponent(name)}`), { value });
  if (options.json) return printJson({ name, project: client.target.project });
  process.stdout.write(`${name} is set in project ${client.target.project}\n`);
}

async function listSecrets(options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const secrets = await client.list<SecretView>(client.inProject("/secrets"));
  if (options.json) return printJson(secrets);
  if (secrets.length === 0) {
    process.stdout.write(`Project ${client.target.project} has no secrets; isopod secret set NAME makes one\n`);
    return;
  }
  const rows = secrets.map(({ name, updatedAt, usedBy }) => [name, ago(updatedAt), cell(usedBy.join(", ")) || "-"]);
  process.stdout.write(table(["name", "set", "used by"], rows, paintFor(process.stdout)));
}

async function deleteSecret(name: string, options: RemovalOptions): Promise<void> {
  const client = adminClient(options);
  const { project, url } = client.target;
  if (
    !(await mayRemove(
      { verb: "delete", what: `secret ${name} of project ${project}`, origin: url.origin },
      options.yes,
    ))
  )
    return;
  await client.delete(client.inProject(`/secrets/${encodeURIComponent(name)}`));
  if (options.json) return printJson({ deleted: name });
  process.stdout.write(`${name} is deleted\n`);
}

async function rotateSecrets(options: SharedOptions): Promise<void> {
  const answer = await adminClient(options).post<{ rotated: number; unreadable: number }>("/v1/secrets/rotate");
  const { rotated, unreadable } = answer;
  if (options.json) printJson(answer);
  else
    process.stdout.write(
      rotated === 0 ? "All are encrypted with the first key already\n" : `Encrypted anew: ${rotated}\n`,
    );
  if (unreadable > 0) {
    throw new CommandFailure(`Cannot read ${unreadable} secrets: the server does not have their key`, {
      hint: "put the key that they were encrypted with behind the new one, restart the server, and rotate again",
    });
  }
}
