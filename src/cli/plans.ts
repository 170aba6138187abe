/** `isopod plans`: the limits and rights of callers, beside those of the configuration file. */
import { Command, Option } from "commander";
import { CommandFailure, EXIT, usageError } from "./exit_codes.ts";
import { type Amounts, collect, limitOption, limitsText } from "./limit_options.ts";
import { type AdminClient, adminClient } from "./reaching/admin_client.ts";
import {
  addSharedOptions,
  printJson,
  type RemovalOptions,
  type SharedOptions,
  yesOption,
} from "./reaching/command_options.ts";
import { mayRemove } from "./terminal/ask.ts";
import { cell, table } from "./terminal/table.ts";
import { paintFor } from "./terminal/terminal.ts";

interface PlanSettings {
  readonly run: string;
  readonly limits: Amounts;
  readonly ratePerSecond?: number;
  readonly egress: readonly string[];
  readonly origins: readonly string[];
  readonly native?: boolean;
}

interface PlanView extends PlanSettings {
  readonly name: string;
  readonly ofFile: boolean;
  readonly revision?: number;
}

interface SetOptions extends SharedOptions {
  readonly run?: string;
  readonly limit?: Amounts;
  readonly rate?: number | "none";
  readonly egress?: readonly string[];
  readonly origin?: readonly string[];
  readonly native?: "yes" | "no";
}

const HELP = `
What is not given stays as it is; --egress and --origin take the place of all that there were ("" for none). Plans of the
configuration file are changed there. Keys name a plan: isopod keys create --scopes run --plan NAME.

Examples:
  isopod plans list
  isopod plans set paid --run any --rate 100/s --limit wall_ms=30000 --limit memory_mb=256
  isopod plans set paid --egress api.example.com --egress '*.example.org:443'
  isopod plans show paid
  isopod plans delete paid                        asks; --yes in a script
`;

/** The command. */
export function plansCommand(): Command {
  const list = new Command("list").description("List the plans, those of the configuration file included.");
  const show = new Command("show").description("Show a plan.").argument("<plan>");
  const set = new Command("set")
    .description("Make or change a plan.")
    .argument("<plan>", 'letters, digits and "-"')
    .addOption(new Option("--run <right>", "which programs may be sent").choices(["none", "pinned", "any"]))
    .addOption(limitOption())
    .addOption(
      new Option("--rate <n/s>", "requests a second of one caller, such as 100/s; none for no limit").argParser(
        readRate,
      ),
    )
    .addOption(new Option("--egress <host>", "a host that programs may reach; may be repeated").argParser(collect))
    .addOption(
      new Option("--origin <origin>", "an origin of web pages that may call; may be repeated").argParser(collect),
    )
    .addOption(
      new Option("--native <answer>", "whether keys of it may deploy native code (the process engine)").choices([
        "yes",
        "no",
      ]),
    );
  const remove = new Command("delete")
    .description("Delete a plan that no key names.")
    .argument("<plan>")
    .addOption(yesOption());
  return new Command("plans")
    .description("Show and change plans: the limits and rights of callers.")
    .addCommand(addSharedOptions(list, "the plans").addHelpText("after", HELP).action(listPlans))
    .addCommand(addSharedOptions(show, "the plan").addHelpText("after", HELP).action(showPlan))
    .addCommand(addSharedOptions(set, "the plan").addHelpText("after", HELP).action(setPlan))
    .addCommand(addSharedOptions(remove, "{deleted}").addHelpText("after", HELP).action(deletePlan))
    .addHelpText("after", HELP);
}

function readRate(text: string): number | "none" {
  if (text === "none") return text;
  const rate = /^(\d{1,7}(?:\.\d{1,3})?)(?:\/s)?$/.exec(text)?.[1];
  if (rate !== undefined && Number(rate) > 0) return Number(rate);
  throw usageError(`Cannot read --rate "${text}": expected requests a second, such as 100/s or 0.5/s, or none`);
}

function readPlans(client: AdminClient): Promise<PlanView[]> {
  return client.list<PlanView>("/v1/plans");
}

async function listPlans(options: SharedOptions): Promise<void> {
  const plans = await readPlans(adminClient(options));
  if (options.json) return printJson(plans);
  const rows = plans.map((plan) => [
    ...[plan.name, plan.run, plan.ratePerSecond === undefined ? "-" : `${plan.ratePerSecond}/s`],
    ...[limitsText(plan.limits) || "-", cell(plan.egress.join(" ")) || "-", plan.ofFile ? "file" : "server"],
  ]);
  process.stdout.write(table(["plan", "run", "rate", "limits", "egress", "stands in"], rows, paintFor(process.stdout)));
}

async function showPlan(name: string, options: SharedOptions): Promise<void> {
  const plan = await findPlan(adminClient(options), name);
  tell(plan, options);
}

async function findPlan(client: AdminClient, name: string): Promise<PlanView> {
  const plans = await readPlans(client);
  const plan = plans.find((each) => each.name === name);
  if (plan !== undefined) return plan;
  const known = plans.map((each) => each.name).slice(0, 20);
  throw new CommandFailure(`There is no plan "${name}"; the plans are ${known.join(", ")}`, {
    exitCode: EXIT.notFound,
    hint: `isopod plans set ${name} … makes it`,
  });
}

async function setPlan(name: string, options: SetOptions): Promise<void> {
  const client = adminClient(options);
  const before = (await readPlans(client)).find((each) => each.name === name);
  const { run = before?.run, rate = before?.ratePerSecond } = options;
  const native = options.native === undefined ? before?.native : options.native === "yes";
  const plan = {
    ...(run !== undefined && { run }),
    limits: { ...before?.limits, ...options.limit },
    ...(rate !== undefined && rate !== "none" && { ratePerSecond: rate }),
    egress: given(options.egress) ?? before?.egress ?? [],
    origins: given(options.origin) ?? before?.origins ?? [],
    ...(native !== undefined && { native }),
  };
  // One of the file has no revision: the server says that it is changed there.
  const unchanged = before?.revision === undefined ? {} : { ifMatch: before.revision };
  await client.put(`/v1/plans/${encodeURIComponent(name)}`, plan, unchanged);
  tell(await findPlan(client, name), options);
}

/** What stands in an option that may be repeated; an empty text alone is for none at all. */
function given(values: readonly string[] | undefined): readonly string[] | undefined {
  return values?.filter((value) => value !== "");
}

async function deletePlan(name: string, options: RemovalOptions): Promise<void> {
  const client = adminClient(options);
  if (!(await mayRemove({ verb: "delete", what: `plan ${name}`, origin: client.target.url.origin }, options.yes)))
    return;
  await client.delete(`/v1/plans/${encodeURIComponent(name)}`);
  if (options.json) return printJson({ deleted: name });
  process.stdout.write(`Plan ${name} is deleted\n`);
}

function tell(plan: PlanView, { json }: SharedOptions): void {
  if (json) return printJson(plan);
  const lines = [
    `plan ${plan.name}${plan.ofFile ? " (of the configuration file)" : ""}`,
    `  run      ${plan.run}`,
    `  rate     ${plan.ratePerSecond === undefined ? "without a limit" : `${plan.ratePerSecond}/s`}`,
    `  limits   ${limitsText(plan.limits) || "the defaults"}`,
    `  egress   ${cell(plan.egress.join(" "), 1000) || "none"}`,
    `  origins  ${cell(plan.origins.join(" "), 1000) || "none"}`,
    `  native   ${plan.native === false ? "no" : "yes"}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}
