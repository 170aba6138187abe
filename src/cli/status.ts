/** `isopod status`: the server that commands talk to, who we are there, and what it serves. */
import { Command } from "commander";
import { type AdminClient, ApiFailure, adminClient } from "./reaching/admin_client.ts";
import type { FileFunctionView, FunctionView } from "./reaching/api_answers.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";
import { describeTargets } from "./rollback.ts";
import { ago, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

interface Whoami {
  readonly who: string;
  readonly project?: string;
  readonly scopes: readonly string[];
}

interface ServerState {
  readonly listen?: { readonly host: string; readonly port: number };
  readonly pool?: { readonly instances: number; readonly prewarmed: number; readonly invocations: number };
  readonly pid?: number;
}

const HELP = `
A key sees its project; the server's own token also how the server is. Ends with 3 when nothing answers.

Examples:
  isopod status
  isopod status --profile staging --json
`;

/** The command. */
export function statusCommand(): Command {
  const command = new Command("status").description("Say which server this talks to, as whom, and what it serves.");
  return addSharedOptions(command, "{url, project, who, scopes, server?, functions?, fileFunctions?}")
    .addHelpText("after", HELP)
    .action(status);
}

async function status(options: SharedOptions): Promise<void> {
  const client = adminClient(options);
  const { url, project } = client.target;
  const { who, scopes, project: own } = await client.get<Whoami>("/v1/whoami");
  const server = await whereAllowed(client.get<ServerState>("/v1/status"));
  const functions = await whereAllowed(client.list<FunctionView>(client.inProject("/functions")));
  const fileFunctions = await whereAllowed(client.list<FileFunctionView>(client.inProject("/file-functions")));
  if (options.json) return printJson({ url: url.origin, project, who, scopes, server, functions, fileFunctions });
  const paint = paintFor(process.stdout);
  const facts = [
    ["server", `${url.origin}${server?.pid === undefined ? "" : `, process ${server.pid}`}`],
    ["project", `${project}${own === undefined || own === project ? "" : ` (the key is of ${own})`}`],
    ["you", `${who}${scopes.length === 0 ? "" : `: ${scopes.join(", ")}`}`],
    ...(server === undefined ? [] : serverFacts(server)),
  ];
  process.stdout.write(facts.map(([name = "", fact]) => `${paint("grey", name.padEnd(10))}${fact}\n`).join(""));
  if (functions !== undefined && functions.length > 0) process.stdout.write(`\n${functionTable(functions, paint)}`);
  if (fileFunctions === undefined || fileFunctions.length === 0) return;
  const rows = fileFunctions.map(({ name, routes }) => [paint("bold", name), routes.join(", ") || "none"]);
  process.stdout.write(`\n${table(["of the configuration file", "routes"], rows, paint)}`);
}

/** What a question answers, or nothing where this caller may not ask it. */
async function whereAllowed<T>(asked: ReturnType<AdminClient["get"]> | Promise<T>): Promise<T | undefined> {
  try {
    return (await asked) as T;
  } catch (error) {
    if (error instanceof ApiFailure && error.code === "forbidden") return undefined;
    throw error;
  }
}

function serverFacts({ listen, pool }: ServerState): string[][] {
  return [
    ...(listen === undefined ? [] : [["listens", `${listen.host}:${listen.port}`]]),
    ...(pool === undefined
      ? []
      : [["instances", `${pool.instances}, ${pool.prewarmed} prewarmed; ${pool.invocations} invocations going on`]]),
  ];
}

function functionTable(functions: readonly FunctionView[], paint: ReturnType<typeof paintFor>): string {
  const rows = functions.map(({ name, aliases, routes, updatedAt }) => [
    paint("bold", name),
    Object.entries(aliases)
      .map(([alias, { targets }]) => `${alias} ${describeTargets(targets)}`)
      .join("; "),
    String(routes.length),
    ago(updatedAt),
  ]);
  return table(["function", "serves", { title: "routes", align: "right" }, "changed"], rows, paint);
}
