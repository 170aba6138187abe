/** `isopod types [DIR]`: the type of each function's `env`, from its configuration. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { CommandFailure, usageError } from "./exit_codes.ts";
import { type DeclaredFunction, readProject } from "./project_file.ts";

interface TypesOptions {
  readonly out: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

const HELP = `
Writes one interface a function: its variables, secrets and bindings, and nothing that it is not given. Commit the
file, and let --check say in CI whether it still tells the truth. The types of bindings are those of the package
"isopod": npm install --save-dev isopod.

Examples:
  isopod types
  isopod types ./shop --check

  // hello.ts
  export default {
    fetch(request: Request, env: IsopodEnv["hello"]) {
      return new Response(env.GREETING);
    },
  };
`;

const HEAD = `// Written by \`isopod types\` from isopod.toml: what each function finds as its \`env\`. Changes here are overwritten.
`;

/** What stands on `env` for each type of bindings, as the package `isopod` names it, and for who may only read. */
const BINDING_TYPES: Readonly<Record<string, readonly [readWrite: string, read?: string]>> = {
  kv: ["KVNamespace", "ReadOnlyKVNamespace"],
  sql: ["D1Database"],
  blob: ["R2Bucket", "ReadOnlyR2Bucket"],
  queue: ["Queue"],
  function: ["FunctionStub"],
  tcp: ["TcpConnector"],
};

/** The command. */
export function typesCommand(): Command {
  return new Command("types")
    .description("Write the types of the functions' env, from isopod.toml.")
    .argument("[dir]", "the folder that holds isopod.toml, or the file itself", ".")
    .option("--out <name>", "the file to write, in that folder", "isopod-env.d.ts")
    .option("--check", "write nothing, and end with 1 when the file is not what would be written")
    .option("--json", "print {file, changed, functions: {NAME: {VARIABLE: type}}} as JSON")
    .addHelpText("after", HELP)
    .action(types);
}

async function types(dir: string, options: TypesOptions): Promise<void> {
  const { folder, functions } = await readProject(dir);
  if (options.out === "" || options.out.includes("\0"))
    throw usageError("Cannot read --out: expected the name of a file");
  const file = join(folder, options.out);
  const text = envTypes(functions);
  const changed = !existsSync(file) || (await Bun.file(file).text()) !== text;
  if (changed && options.check === true) {
    throw new CommandFailure(`${file} is not what isopod.toml says`, { hint: `isopod types ${dir}` });
  }
  if (changed) await Bun.write(file, text);
  const shown = Object.fromEntries(functions.map((each) => [each.name, Object.fromEntries(membersOf(each))]));
  if (options.json) process.stdout.write(`${JSON.stringify({ file, changed, functions: shown }, undefined, 2)}\n`);
  else process.stdout.write(`${file} ${changed ? "written" : "is as it was"}\n`);
}

/** The declarations as a file. */
function envTypes(functions: readonly DeclaredFunction[]): string {
  const bodies = functions.map((each) => {
    const members = membersOf(each).map(
      ([name, type, said]) => `    /** ${said} */\n    readonly ${quote(name)}: ${type};\n`,
    );
    const body = members.length === 0 ? "Record<string, never>" : `{\n${members.join("")}  }`;
    return `  readonly ${quote(each.name)}: ${body};\n`;
  });
  return `${HEAD}interface IsopodEnv {\n${bodies.join("")}}\n`;
}

function membersOf({
  settings: { env, secrets, bindings = {} },
}: DeclaredFunction): [name: string, type: string, said: string][] {
  return [
    ...Object.keys(env).map((name): [string, string, string] => [name, "string", "A variable."]),
    ...secrets.map(({ binding, name, hosts }): [string, string, string] => {
      const said =
        hosts.length === 0
          ? `The secret "${name}".`
          : `Stands for the secret "${name}", which is put in towards ${hosts.join(", ")} only.`;
      return [binding, "string", said.replaceAll("*/", "* /")];
    }),
    ...Object.entries(bindings).map(([name, { type, name: bound, mode }]): [string, string, string] => {
      const said = `A binding of the type "${type}"${bound === undefined ? "" : `: "${String(bound)}"`}.`;
      return [name, bindingType(type, mode === "read"), said];
    }),
  ];
}

function bindingType(type: string, isReadOnly: boolean): string {
  const [readWrite, read = readWrite] = BINDING_TYPES[type] ?? [];
  return readWrite === undefined ? "unknown" : `import("isopod").${isReadOnly ? read : readWrite}`;
}

function quote(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}
