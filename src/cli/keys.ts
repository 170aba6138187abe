/**
 * `isopod keys`: API keys. Those of a server's projects have scopes and are made there; those of a configuration file
 * have a plan alone, need no server to be made, and stand in the file as their hash.
 */
import { Command } from "commander";
import { CommandFailure, EXIT, usageError } from "./exit_codes.ts";
import { type AdminClient, adminClient } from "./reaching/admin_client.ts";
import {
  addSharedOptions,
  printJson,
  type RemovalOptions,
  type SharedOptions,
  yesOption,
} from "./reaching/command_options.ts";
import { mayRemove } from "./terminal/ask.ts";
import { ago, cell, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";
import { parseSpan } from "./terminal/times.ts";

interface CreateOptions extends SharedOptions {
  readonly plan?: string;
  readonly scopes?: string;
  readonly expires?: string;
  readonly name?: string;
  readonly mayPin?: boolean;
  readonly aws?: boolean;
}

interface KeyView {
  readonly id: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly plan: string;
  readonly name?: string;
  readonly expiresAt?: number;
  readonly createdAt: number;
}

/** A key that was made just now. */
interface MadeKey extends KeyView {
  readonly key: string;
  readonly aws?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

const CREATE_HELP = `
Without --scopes no server is asked: the key is printed with the lines that let a server know it.

Scopes: deploy (functions and versions), invoke (calls under the key's plan; previews), run (programs, under its plan),
logs, admin (all of these, keys and secrets).

Examples:
  isopod keys create --plan paid                             for the [[keys]] of isopod.toml
  isopod keys create --scopes deploy,logs --name ci --expires 90d
  isopod keys create --scopes invoke --plan paid --project shop
  isopod keys create --scopes invoke,deploy --aws            for AWS's SDKs; see docs/lambda.md
`;
const HELP = `
Examples:
  isopod keys create --scopes deploy,logs --name ci
  isopod keys list
  isopod keys revoke isopod_3vQ0aB                by its beginning, as \`keys list\` shows it, or its id
  isopod keys revoke isopod_3vQ0aB --yes          without being asked
`;

/** The command. */
export function keysCommand(): Command {
  const create = new Command("create")
    .description("Make a key. It is shown once; the server keeps its hash only.")
    .option("--plan <name>", "the plan of who calls with it")
    .option("--scopes <scopes>", "what it opens on the server: deploy, invoke, run, logs, admin; with commas between")
    .option("--expires <span>", "how long it is good, such as 12h or 90d (default: for ever)")
    .option("--name <text>", "what it is for")
    .option("--may-pin", "it may pin programs")
    .option("--aws", "with a pair that signs requests as AWS's tools do, for the Lambda API");
  const list = new Command("list").description("List the keys of a project by their visible beginnings.");
  const revoke = new Command("revoke")
    .description("Delete keys: they open nothing from then on.")
    .argument("<key...>", "its visible beginning, or its id")
    .addOption(yesOption());
  return new Command("keys")
    .description("Make, list and revoke keys for callers.")
    .addCommand(addSharedOptions(create, "the key").addHelpText("after", CREATE_HELP).action(createKey))
    .addCommand(addSharedOptions(list, "the keys").addHelpText("after", HELP).action(listKeys))
    .addCommand(addSharedOptions(revoke, "{revoked}").addHelpText("after", HELP).action(revokeKeys))
    .addHelpText("after", HELP);
}

async function createKey(options: CreateOptions): Promise<void> {
  const { scopes, plan, expires, name, mayPin, aws, json } = options;
  if (scopes === undefined) return createOffline(options);
  const span = expires === undefined ? undefined : parseSpan(expires);
  if (expires !== undefined && span === undefined)
    throw usageError(`Cannot read --expires "${expires}": expected a span, such as 12h, 90d or 4w`);
  const client = adminClient(options);
  const made = await client.post<MadeKey>(client.inProject("/keys"), {
    scopes: scopes.split(",").map((scope) => scope.trim()),
    ...(plan !== undefined && { plan }),
    ...(span !== undefined && { expiresAt: Date.now() + span }),
    ...(name !== undefined && { name }),
    ...(mayPin && { mayPin }),
    ...(aws && { aws }),
  });
  if (json) return printJson(made);
  const until = made.expiresAt === undefined ? "" : ` until ${new Date(made.expiresAt).toISOString().slice(0, 16)}Z`;
  process.stdout.write(`${made.key}\n`);
  if (made.aws !== undefined) {
    const { accessKeyId, secretAccessKey } = made.aws;
    process.stdout.write(`AWS_ACCESS_KEY_ID=${accessKeyId}\nAWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`);
  }
  process.stderr.write(
    `It is shown this once. It opens ${made.scopes.join(", ")} in project ${client.target.project}${until}; its plan is ${made.plan}.\n`,
  );
}

/** Makes a key, and the lines that let a server know it. */
function createOffline(options: CreateOptions): void {
  const ofServer = (["url", "profile", "project", "expires", "name", "mayPin", "aws"] as const).find(
    (option) => options[option] !== undefined,
  );
  if (ofServer !== undefined) {
    const flag = ofServer === "mayPin" ? "may-pin" : ofServer;
    throw usageError(
      `Cannot make a key with --${flag} and without --scopes: a key that a server makes opens what its scopes say`,
      "isopod keys create --scopes deploy,logs …",
    );
  }
  const { plan, json } = options;
  const key = `isopod_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url")}`;
  const hash = `sha256-${new Bun.CryptoHasher("sha256").update(key).digest("hex")}`;
  if (json) return printJson({ key, hash, ...(plan !== undefined && { plan }) });
  process.stdout.write(`${key}

For the caller, who sends it as "Authorization: Bearer ...". It is stored nowhere. For isopod.toml:

[[keys]]
plan = ${JSON.stringify(plan ?? "NAME")}${plan === undefined ? "   # of one of your [plans.NAME]" : ""}
hash = "${hash}"
`);
}

async function listKeys(options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const keys = await readKeys(client);
  if (options.json) return printJson(keys);
  if (keys.length === 0) {
    process.stdout.write(`Project ${client.target.project} has no keys; isopod keys create --scopes … makes one\n`);
    return;
  }
  const rows = keys.map(({ prefix, id, scopes, plan, name, createdAt, expiresAt }) => [
    ...[prefix, id, scopes.join(","), plan, ago(createdAt)],
    ...[expiresAt === undefined ? "never" : new Date(expiresAt).toISOString().slice(0, 10), cell(name ?? "-")],
  ]);
  process.stdout.write(
    table(["key", "id", "scopes", "plan", "made", "expires", "for"], rows, paintFor(process.stdout)),
  );
}

async function revokeKeys(named: string[], options: RemovalOptions): Promise<void> {
  const client = adminClient(options);
  const keys = await readKeys(client);
  // All are found before any is deleted, so that a mistake changes nothing.
  const found = [...new Set(named.map((text) => findKey(keys, text, client)))];
  const labels = found.map(({ prefix, name }) => (name === undefined ? prefix : `${prefix} (${cell(name)})`));
  const what = `${labels.length === 1 ? "the key" : "the keys"} ${labels.join(", ")}`;
  if (!(await mayRemove({ verb: "revoke", what, origin: client.target.url.origin }, options.yes))) return;
  for (const { id } of found) await client.delete(client.inProject(`/keys/${encodeURIComponent(id)}`));
  if (options.json) return printJson({ revoked: found.map(({ id }) => id) });
  process.stdout.write(labels.map((label) => `${label} is revoked\n`).join(""));
}

function readKeys(client: AdminClient): Promise<KeyView[]> {
  return client.list<KeyView>(client.inProject("/keys"));
}

/** The key of an id, of a visible beginning, or the whole key itself. */
function findKey(keys: readonly KeyView[], text: string, { target }: AdminClient): KeyView {
  const found = keys.filter(({ id, prefix }) => id === text || (prefix !== "" && text.startsWith(prefix)));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const shown = text.slice(0, 13);
  if (found.length > 1)
    throw usageError(`Cannot tell which key "${shown}" is: ${found.length} begin like this`, "name it by its id");
  throw new CommandFailure(`There is no key "${shown}" in project ${target.project}`, {
    exitCode: EXIT.notFound,
    hint: "`isopod keys list` lists them",
  });
}
