/** `isopod sql`: looks into SQL databases, migrates them, and copies them in and out. */
import { Command } from "commander";
import { CommandFailure, EXIT, usageError } from "../exit_codes.ts";
import { type AdminClient, adminClient } from "../reaching/admin_client.ts";
import {
  addSharedOptions,
  printJson,
  type RemovalOptions,
  type SharedOptions,
  yesOption,
} from "../reaching/command_options.ts";
import { mayRemove, type Removal } from "../terminal/ask.ts";
import { byteSize, cell, table } from "../terminal/table.ts";
import { paintFor } from "../terminal/terminal.ts";
import { type Result, showResult } from "./result_table.ts";
import { exportFile, importFile, migrate } from "./sql_files.ts";

interface Database {
  readonly name: string;
  readonly dialect: "sqlite" | "postgres";
  readonly bytes: number | null;
}

const HELP = `
A database is what [functions.bindings] names: DB = { type = "sql", name = "shop" }. One of SQLite is made when it is first
used; one of PostgreSQL is where its url leads, and is exported and imported as a text of its rows (.sql).

Examples:
  isopod sql shop "SELECT * FROM items LIMIT 10"
  isopod sql shop "SELECT * FROM items WHERE id = ?" 7 --json
  isopod sql migrate shop ./migrations
  isopod sql export shop shop.sqlite
  isopod sql import shop shop.sqlite                       asks where there is one; --yes in a script
  isopod sql list
  isopod sql delete shop                                   asks; --yes in a script
`;

/** The command. */
export function sqlCommand(): Command {
  const query = new Command("query")
    .description("Run one statement and show its rows; what is meant when no other command is named.")
    .argument("<name>", "the database")
    .argument("<statement>", "one statement, in the database's language")
    .argument("[values...]", "for the ? of the statement: numbers, null, or texts");
  const migrations = new Command("migrate")
    .description(
      "Run the .sql files of a folder that have not been run, each in one transaction, in the order of their names.",
    )
    .argument("<name>", "the database")
    .argument("<dir>", "the folder");
  const out = new Command("export")
    .description("Write the database, as it is at one moment, into a file of SQLite, or of PostgreSQL's rows (.sql).")
    .argument("<name>", "the database")
    .argument("<file>", "a file that is not there yet");
  const into = new Command("import")
    .description("Put a file of SQLite in the place of a database, or run a dump (.sql) in one transaction.")
    .argument("<name>", "the database")
    .argument("<file>", "the file")
    .addOption(yesOption());
  const list = new Command("list").description("List the databases of the project.");
  const remove = new Command("delete")
    .description("Delete a database with everything in it.")
    .argument("<name>", "the database")
    .addOption(yesOption());
  return new Command("sql")
    .description("Look into SQL databases, migrate them, and copy them in and out.")
    .addCommand(addSharedOptions(query, "{columns, rows, meta}").addHelpText("after", HELP).action(runQuery), {
      isDefault: true,
    })
    .addCommand(addSharedOptions(migrations, "{applied, before}").addHelpText("after", HELP).action(runMigrate))
    .addCommand(addSharedOptions(out, "{file, bytes}").addHelpText("after", HELP).action(runExport))
    .addCommand(addSharedOptions(into, "{imported}").addHelpText("after", HELP).action(runImport))
    .addCommand(addSharedOptions(list, "the databases").addHelpText("after", HELP).action(runList))
    .addCommand(addSharedOptions(remove, "{deleted}").addHelpText("after", HELP).action(runDelete))
    .addHelpText("after", HELP);
}

async function runQuery(name: string, sql: string, values: readonly string[], options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  await checkThere(client, name, sql);
  const [result] = await query(client, name, [{ sql, params: values.map(readValue) }]);
  if (result === undefined) throw new CommandFailure("Cannot read the answer: there is no result");
  if (options.json) return printJson(result);
  process.stdout.write(showResult(result));
}

/** A mistyped name makes no database: only a statement that creates something makes one that is not there. */
async function checkThere(client: AdminClient, name: string, sql: string): Promise<void> {
  if (/^\s*create\b/i.test(sql)) return;
  const { dialect, bytes } = await client.get<Database>(pathOf(client, name));
  if (dialect === "postgres" || bytes !== null) return;
  throw new CommandFailure(
    `There is no database "${name}" yet; a function that uses it, a migration, or a CREATE TABLE makes it`,
    { exitCode: EXIT.notFound, hint: "isopod sql list" },
  );
}

/** Numbers and null as such; whoever wants a text that looks like one writes a cast. */
function readValue(text: string): string | number | null {
  if (text === "null") return null;
  return /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text) ? Number(text) : text;
}

async function runMigrate(name: string, folder: string, options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const ask = async (sql: string) => (await query(client, name, [{ sql, params: [] }]))[0]?.rows ?? [];
  const script = (texts: readonly string[]) => client.post(pathOf(client, name, "/script"), { texts });
  const told = options.json ? () => {} : (file: string) => void process.stdout.write(`${file}\n`);
  const { dialect } = await client.get<Database>(pathOf(client, name));
  const { applied, before } = await migrate(folder, { dialect, ask, script, told });
  if (options.json) return printJson({ applied, before });
  process.stdout.write(`${applied.length} migrations run, ${before} had been before\n`);
}

async function runExport(name: string, file: string, options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const bytes = await exportFile(await client.raw(pathOf(client, name, "/file")), file);
  if (options.json) return printJson({ file, bytes });
  process.stdout.write(`${file}  ${byteSize(bytes)}\n`);
}

async function runImport(name: string, file: string, options: RemovalOptions): Promise<void> {
  const client = adminClient(options);
  const isDone = await importFile(file, {
    script: (texts) => client.post(pathOf(client, name, "/script"), { texts }),
    whole: (contents) => client.put(pathOf(client, name, "/file"), contents),
    async mayReplace() {
      const { bytes } = await client.get<Database>(pathOf(client, name));
      return bytes === null || (await mayLose(client, name, "replace", options.yes));
    },
  });
  if (!isDone) return;
  if (options.json) return printJson({ imported: name });
  process.stdout.write(`imported into ${name}\n`);
}

async function runList(options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const databases = await client.list<Database>(client.inProject("/databases"));
  if (options.json) return printJson(databases);
  const rows = databases.map(({ name, dialect, bytes }) => [
    cell(name),
    dialect,
    bytes === null ? "" : byteSize(bytes),
  ]);
  const heads = ["name", "dialect", { title: "size", align: "right" as const }];
  process.stdout.write(table(heads, rows, paintFor(process.stdout)));
}

async function runDelete(name: string, options: RemovalOptions): Promise<void> {
  const client = adminClient(options);
  if (!(await mayLose(client, name, "delete", options.yes))) return;
  await client.delete(pathOf(client, name));
  if (options.json) return printJson({ deleted: name });
  process.stdout.write(`deleted ${name}\n`);
}

function mayLose(client: AdminClient, name: string, verb: Removal["verb"], yes: boolean | undefined) {
  const what = `database ${name} with everything in it`;
  return mayRemove({ verb, what, origin: client.target.url.origin }, yes);
}

async function query(client: AdminClient, name: string, statements: readonly object[]): Promise<readonly Result[]> {
  const { results } = await client.post<{ results: Result[] }>(pathOf(client, name, "/query"), { statements });
  return results;
}

function pathOf(client: AdminClient, name: string, rest = ""): string {
  if (name === "") throw usageError("Cannot use a database without a name");
  return client.inProject(`/databases/${encodeURIComponent(name)}${rest}`);
}
