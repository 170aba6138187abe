/** `isopod projects`: tenants of a server, with the limits and quotas of each. */
import { Command, Option } from "commander";
import { type Amounts, collect, limitOption, limitsText, quotaOption, quotasText } from "./limit_options.ts";
import { adminClient } from "./reaching/admin_client.ts";
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

interface ProjectView {
  readonly name: string;
  readonly createdAt: number;
  readonly limits?: Amounts;
  readonly quotas: Amounts;
  readonly egressInside?: readonly string[];
  readonly revision: number;
}

interface ProjectOptions extends SharedOptions {
  readonly limit?: Amounts;
  readonly quota?: Amounts;
  readonly egressInside?: readonly string[];
}

const HELP = `
A project has functions, keys, secrets, logs, limits and quotas of its own. Other commands take it as --project NAME,
ISOPOD_PROJECT, or from a profile.

Examples:
  isopod projects create shop --limit memory_mb=256 --quota functions=50
  isopod keys create --project shop --scopes deploy,logs
  isopod projects set shop --quota functions=100
  isopod projects list
  isopod projects delete shop                     when nothing is left of it; asks, --yes in a script
`;

/** The command. */
export function projectsCommand(): Command {
  const list = new Command("list").description("List the projects that you may see.");
  const show = new Command("show").description("Show a project.").argument("<project>");
  const create = withSettings(
    new Command("create").description("Make a project.").argument("<project>", 'letters, digits and "-"'),
  );
  const set = withSettings(
    new Command("set").description("Change limits and quotas; what is not given stays.").argument("<project>"),
  );
  const remove = new Command("delete")
    .description("Delete a project of which nothing is left.")
    .argument("<project>")
    .addOption(yesOption());
  return new Command("projects")
    .description("Make, show, change and delete projects.")
    .addCommand(addSharedOptions(list, "the projects").addHelpText("after", HELP).action(listProjects))
    .addCommand(addSharedOptions(show, "the project").addHelpText("after", HELP).action(showProject))
    .addCommand(addSharedOptions(create, "the project").addHelpText("after", HELP).action(createProject))
    .addCommand(addSharedOptions(set, "the project").addHelpText("after", HELP).action(setProject))
    .addCommand(addSharedOptions(remove, "{deleted}").addHelpText("after", HELP).action(deleteProject))
    .addHelpText("after", HELP);
}

function withSettings(command: Command): Command {
  return command
    .addOption(limitOption())
    .addOption(quotaOption())
    .addOption(
      new Option("--egress-inside <host>", "a host inside that its functions may reach; may be repeated").argParser(
        collect,
      ),
    );
}

const pathOf = (project: string): string => `/v1/projects/${encodeURIComponent(project)}`;

async function listProjects(options: SharedOptions): Promise<void> {
  const projects = await adminClient(options).list<ProjectView>("/v1/projects");
  if (options.json) return printJson(projects);
  const rows = projects.map(({ name, createdAt, limits = {}, quotas }) => {
    return [name, ago(createdAt), limitsText(limits) || "-", quotasText(quotas) || "-"];
  });
  process.stdout.write(table(["project", "made", "limits", "quotas"], rows, paintFor(process.stdout)));
}

async function showProject(name: string, options: SharedOptions): Promise<void> {
  tell(await adminClient(options).get<ProjectView>(pathOf(name)), options);
}

async function createProject(name: string, options: ProjectOptions): Promise<void> {
  const { limit = {}, quota = {}, egressInside } = options;
  const body = { name, limits: limit, quotas: quota, ...(egressInside && { egressInside }) };
  tell(await adminClient(options).post<ProjectView>("/v1/projects", body), options);
}

async function setProject(name: string, options: ProjectOptions): Promise<void> {
  const client = adminClient(options);
  const before = await client.get<ProjectView>(pathOf(name));
  const body = {
    ...(options.limit && { limits: { ...before.limits, ...options.limit } }),
    ...(options.quota && { quotas: { ...before.quotas, ...options.quota } }),
    ...(options.egressInside && { egressInside: options.egressInside.filter((host) => host !== "") }),
  };
  tell(await client.patch<ProjectView>(pathOf(name), body, { ifMatch: before.revision }), options);
}

async function deleteProject(name: string, options: RemovalOptions): Promise<void> {
  const client = adminClient(options);
  if (!(await mayRemove({ verb: "delete", what: `project ${name}`, origin: client.target.url.origin }, options.yes)))
    return;
  await client.delete(pathOf(name));
  if (options.json) return printJson({ deleted: name });
  process.stdout.write(`Project ${name} is deleted\n`);
}

function tell(project: ProjectView, { json }: SharedOptions): void {
  if (json) return printJson(project);
  const { name, createdAt, limits = {}, quotas, egressInside = [] } = project;
  const lines = [
    `project ${name}, made ${ago(createdAt)}`,
    `  limits         ${limitsText(limits) || "the defaults"}`,
    `  quotas         ${quotasText(quotas) || "the defaults"}`,
    `  egress inside  ${cell(egressInside.join(" "), 1000) || "none"}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
