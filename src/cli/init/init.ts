/** `isopod init [DIR]`: writes a function that works, its configuration and its test, and says what to do with them. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { usageError } from "../exit_codes.ts";
import { ask, canAsk } from "../terminal/ask.ts";
import { messageOf } from "../terminal/terminal.ts";
import { isProgram, TEMPLATES, type TemplateName } from "./init_templates.ts";

interface InitOptions {
  readonly name?: string;
  readonly template: TemplateName;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const NAME = /^(?!.*--)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
const NAME_LENGTH_MAX = 40;

const HELP = `
Nothing that is there is written over. On a terminal it asks for the name unless --yes or --name is given.

Examples:
  isopod init shop
  isopod init shop --template router --name orders --yes
  isopod init words --template python
  cd shop && isopod dev
`;

/** The command. */
export function initCommand(): Command {
  return new Command("init")
    .description("Write a function that works, with its isopod.toml.")
    .argument("[dir]", "the folder; made when it is not there", ".")
    .option("--name <name>", "the function's name (default: the folder's)")
    .addOption(
      new Option(
        "--template <name>",
        "script: one fetch handler; router: several paths in one function; python: a handler in Python; program: any executable",
      )
        .choices(Object.keys(TEMPLATES))
        .default("script"),
    )
    .option("--yes", "ask nothing")
    .option("--json", "print {folder, name, files} as JSON")
    .addHelpText("after", HELP)
    .action(init);
}

async function init(dir: string, options: InitOptions): Promise<void> {
  const folder = resolve(dir);
  const standard = slugOf(basename(folder));
  const asks = options.name === undefined && options.yes !== true && canAsk();
  const name = options.name ?? (asks ? await ask("Name of the function?", standard) : standard);
  if (!NAME.test(name) || name.length > NAME_LENGTH_MAX) {
    throw usageError(
      `Cannot name a function "${name}": expected "a" to "z", "0" to "9" and single "-" between them, at most ${NAME_LENGTH_MAX} long`,
    );
  }
  const files: Readonly<Record<string, string>> = TEMPLATES[options.template](name);
  const there = Object.keys(files).find((file) => file !== ".gitignore" && existsSync(join(folder, file)));
  if (there !== undefined) {
    throw usageError(
      `Cannot write ${join(folder, there)}: it is there already`,
      "name another folder, or `isopod dev` serves it",
    );
  }
  makeFolder(folder);
  const written = Object.entries(files).filter(([file]) => !existsSync(join(folder, file)));
  for (const [file, text] of written) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text, { flag: "wx", mode: isProgram(text) ? 0o755 : 0o644 });
  }
  const shown = written.map(([file]) => file);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ folder, name, files: shown }, undefined, 2)}\n`);
    return;
  }
  const where = folder === process.cwd() ? "" : dir;
  const steps = [
    [where === "" ? "isopod dev" : `cd ${shellWord(where)} && isopod dev`, "serves it here, and reloads as you write"],
    [`curl localhost:8080/${name}/Ada`, "asks it"],
    ["isopod deploy", "to a running server; `isopod serve` starts one"],
  ] as const;
  const width = Math.max(...steps.map(([command]) => command.length));
  const lines = steps.map(([command, does]) => `  ${command.padEnd(width)}   ${does}\n`);
  process.stdout.write(`Wrote ${shown.join(", ")} in ${where || "this folder"}. Next:\n\n${lines.join("")}`);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const isFile = code === "EEXIST" || code === "ENOTDIR";
    throw usageError(`Cannot make the folder ${folder}: ${isFile ? "a file is in its place" : messageOf(cause)}`);
  }
}

/** `text` as one word of a shell. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A name for a function, made of a folder's. */
function slugOf(folder: string): string {
  const slug = folder
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, NAME_LENGTH_MAX)
    .replace(/^-+|-+$/g, "");
  return slug || "hello";
}
