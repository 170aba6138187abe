/**
 * `isopod deploy [DIR]`: the functions of a folder's isopod.toml, bundled or gathered here, on a running server.
 *
 * First everything is bundled and compared, so that what is broken here is found before anything changes there. Then one
 * function after the other is deployed, each as a whole; the server answers when the next request will see it.
 */
import { resolve } from "node:path";
import { Command } from "commander";
import { CommandFailure } from "../exit_codes.ts";
import { readProject } from "../project_file.ts";
import { routeLine, routeUrl } from "../reaching/addresses.ts";
import { type AdminClient, ApiFailure, adminClient } from "../reaching/admin_client.ts";
import type { DeployedView } from "../reaching/api_answers.ts";
import { addSharedOptions, printJson, type SharedOptions } from "../reaching/command_options.ts";
import { canAsk, confirm } from "../terminal/ask.ts";
import { frameOf } from "../terminal/code_frame.ts";
import { byteSize } from "../terminal/table.ts";
import { type Colour, type Paint, paintFor } from "../terminal/terminal.ts";
import { gatherCode } from "./code.ts";
import { type PlannedFunction, planDeploy } from "./plan.ts";
import { uploadMissing } from "./upload.ts";

interface DeployOptions extends SharedOptions {
  readonly only: readonly string[];
  readonly alias: string;
  readonly message?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const HELP = `
Scripts are bundled with what they import; programs of the engine process are sent with their folder and their layers,
modules of WebAssembly with the files that a command finds.
Each function is compared with what the server has, and deployed when it differs; only contents that the server lacks are
uploaded. Deploying the same again changes nothing. Functions that no longer stand in the file stay on the server until
\`isopod delete\`. Secrets are named, never sent: set them by \`isopod secret set\`. Under another alias than production,
routes stay as they are.

Examples:
  isopod deploy                                  the folder that you are in, to the server on this machine
  isopod deploy ./shop --profile staging --dry-run
  isopod deploy --only hello --message "Greets in Dutch"
  isopod deploy --alias next                     answers at its preview, and where routes lead to next
  isopod rollback hello                          takes the last deploy back
`;

/** The command. */
export function deployCommand(): Command {
  const command = new Command("deploy")
    .description("Deploy the functions of an isopod.toml to a running server.")
    .argument("[dir]", "the folder that holds isopod.toml, or the file itself", ".")
    .option("--only <name>", "deploy this function only; may be repeated", collect, [])
    .option("--alias <name>", "the alias that is to stand for the versions", "production")
    .option("--message <text>", "what the versions are remembered by")
    .option("--dry-run", "show what would change, and change nothing")
    .option("--yes", "ask nothing");
  return addSharedOptions(command, "{dry_run, uploaded, functions: [{name, change, details, version, ...}]}")
    .addHelpText("after", HELP)
    .action(deploy);
}

/** A value of an option that may be repeated, after those before. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

async function deploy(dir: string, options: DeployOptions): Promise<void> {
  const client = adminClient(options);
  const paint = paintFor(process.stdout);
  const { folder, functions } = await readProject(dir, options.only);
  const codes = await gatherCode(functions, folder, paintFor(process.stderr));
  const plan = await planDeploy(client, functions, codes, options.alias);
  const changing = plan.filter(({ change }) => change !== "unchanged");
  if (!options.json) process.stdout.write(showPlan(plan, client, options, paint));
  if (options.dryRun === true) {
    if (options.json) printJson({ dry_run: true, functions: plan.map((each) => planJson(each)) });
    return;
  }
  if (changing.length > 0 && canAsk() && options.yes !== true && !(await confirm("Deploy?", true))) return;
  const files = changing.flatMap(({ code, assets }) => [...code.files, ...assets]);
  const uploaded = files.length === 0 ? { blobs: 0, bytes: 0 } : await uploadMissing(client, files);
  const done: { readonly planned: PlannedFunction; readonly deployed: DeployedView }[] = [];
  // Those that give up a route come first: another function of the same deploy may be waiting for it.
  const givesUp = ({ details }: PlannedFunction) => (details.some((line) => line.startsWith("- route")) ? 0 : 1);
  for (const planned of plan.toSorted((a, b) => givesUp(a) - givesUp(b))) {
    const deployed = await deployOne(client, planned, options, folder);
    done.push({ planned, deployed });
    if (!options.json) process.stdout.write(showDeployed(planned, deployed, client, paint));
  }
  if (options.json) {
    const shown = done.map(({ planned, deployed }) => deployedJson(planned, deployed, client));
    printJson({ dry_run: false, uploaded, functions: shown });
  } else if (uploaded.blobs > 0) {
    process.stdout.write(paint("grey", `${byteSize(uploaded.bytes)} uploaded\n`));
  }
}

/** Deploys a function, or, where nothing differs, asks for what there is, which deploying the same again is. */
async function deployOne(
  client: AdminClient,
  planned: PlannedFunction,
  { alias, message }: DeployOptions,
  folder: string,
): Promise<DeployedView> {
  const { declared, code, assets, routes, revision } = planned;
  const { name, engine, exportName, settings } = declared;
  const body = {
    ...{ engine, exportName, settings, alias, entry: code.entry },
    files: code.files.map(({ content: _, ...file }) => file),
    ...(assets.length > 0 && { assets: assets.map(({ path, hash }) => ({ path, hash })) }),
    ...(alias === "production" && { routes }),
    ...(message !== undefined && { message }),
  };
  const condition = revision === undefined ? { absent: true } : { ifMatch: revision };
  try {
    return await client.post<DeployedView>(client.ofFunction(name, "/deploy"), body, condition);
  } catch (error) {
    throw error instanceof ApiFailure ? await withFrame(error, planned, folder) : error;
  }
}

/** The failure with the lines of the source that it is about, where it says which. */
async function withFrame(error: ApiFailure, { code: { sources } }: PlannedFunction, folder: string): Promise<Error> {
  const [, named, namedLine, namedColumn] = /\(([^()]+):(\d+):(\d+)\)/.exec(error.message) ?? [];
  const own = sources.filter((source) => !source.includes("node_modules/"));
  const source = named ?? (own.length === 1 ? own[0] : undefined);
  const [line, column] = [Number(namedLine ?? error.line), Number(namedColumn ?? error.column)];
  if (source === undefined || !(line > 0 && column > 0)) return error;
  const frame = await frameOf(resolve(folder, source), line, column, paintFor(process.stderr));
  const place = named === undefined ? ` (${source}:${line}:${column})` : "";
  return new CommandFailure(`${error.message}${place}${frame}`, { exitCode: error.exitCode, hint: error.hint });
}

const MARKS = { new: ["green", "+"], changed: ["yellow", "~"], unchanged: ["grey", "="] } as const satisfies Record<
  PlannedFunction["change"],
  readonly [Colour, string]
>;

function showPlan(plan: readonly PlannedFunction[], { target }: AdminClient, options: DeployOptions, paint: Paint) {
  const to = `${target.url.origin}, project ${target.project}${options.alias === "production" ? "" : `, alias ${options.alias}`}`;
  if (plan.length === 0) return `There are no functions to deploy to ${to}\n`;
  const lines = plan.flatMap(({ declared, change, details, code, assets, routes }) => {
    const [colour, mark] = MARKS[change];
    const size = byteSize(sizeOf([...code.files, ...assets]));
    const first = `${paint(colour, mark)} ${declared.name}  ${paint("grey", `${change}, ${size}`)}`;
    const { env, secrets, bindings = {}, schedules = [], consumers = [], middlewares } = declared.settings;
    const all =
      change !== "new"
        ? details
        : [
            ...routes.map(({ route }) => `+ route ${route}`),
            ...Object.keys(env).map((name) => `+ env ${name}`),
            ...secrets.map(({ binding }) => `+ secret ${binding}`),
            ...Object.entries(bindings).map(([name, { type }]) => `+ binding ${name} (${type})`),
            ...schedules.map(({ name }) => `+ schedule ${name}`),
            ...consumers.map(({ queue }) => `+ queue ${queue}`),
            ...[...(middlewares?.list.map(({ name }) => name) ?? []), ...(middlewares?.inline ?? [])].map(
              (name) => `+ middleware ${name}`,
            ),
            ...(assets.length === 0 ? [] : ["+ static files"]),
          ];
    return [first, ...all.map((line) => `    ${line}`)];
  });
  return `${options.dryRun === true ? "Would deploy" : "Deploying"} to ${to}\n${lines.join("\n")}\n\n`;
}

function showDeployed(planned: PlannedFunction, deployed: DeployedView, { target }: AdminClient, paint: Paint): string {
  const said = deployed.unchanged ? "unchanged" : "serves";
  const head = `${paint("bold", planned.declared.name)} ${said} ${deployed.short}\n`;
  const routes = deployed.record.routes.map(({ route }) => `  ${routeLine(route, deployed.preview, target.url)}\n`);
  return `${head}${routes.join("")}  ${paint("grey", `preview ${deployed.preview}`)}\n`;
}

function sizeOf(files: PlannedFunction["assets"]): number {
  return files.reduce((sum, { content }) => sum + content.byteLength, 0);
}

function planJson({ declared, change, details, routes, code, assets }: PlannedFunction) {
  const bytes = sizeOf([...code.files, ...assets]);
  return { name: declared.name, change, details, bytes, routes: routes.map(({ route }) => route) };
}

function deployedJson(planned: PlannedFunction, deployed: DeployedView, { target }: AdminClient) {
  const { version, short, preview, unchanged, record } = deployed;
  const urls = record.routes.map(({ route }) => routeUrl(route, preview, target.url));
  return { ...planJson(planned), version, short, unchanged, preview, urls };
}
