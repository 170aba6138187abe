/** What a deploy would change: each function as it is here beside what the server has under an alias. */

import type { DeclaredFunction } from "../project_file.ts";
import type { AdminClient } from "../reaching/admin_client.ts";
import { ApiFailure } from "../reaching/admin_client.ts";
import type { FunctionView, RouteView, SettingsView, VersionView } from "../reaching/api_answers.ts";
import { readAssetFiles } from "./asset_files.ts";
import { type FunctionCode, type PlannedFile, plannedFile } from "./code.ts";

/** One function's part of a deploy. */
export interface PlannedFunction {
  readonly declared: DeclaredFunction;
  readonly code: FunctionCode;
  /** Its static files. */
  readonly assets: readonly PlannedFile[];
  readonly routes: readonly RouteView[];
  readonly change: "new" | "changed" | "unchanged";
  /** What changes, a line each: `+ route GET /x`, `~ code`. Values of variables are not in it. */
  readonly details: readonly string[];
  /** The revision that the server's function has; undefined for a new one. */
  readonly revision: number | undefined;
}

/** Compares. Asks the server, changes nothing there. */
export async function planDeploy(
  client: AdminClient,
  functions: readonly DeclaredFunction[],
  codes: readonly FunctionCode[],
  alias: string,
): Promise<PlannedFunction[]> {
  return Promise.all(
    functions.map(async (declared, index) => {
      const code = codes[index] as FunctionCode;
      const found = declared.assets === undefined ? [] : readAssetFiles(declared.name, declared.assets);
      const assets = found.map(({ path, content }) => plannedFile(path, content));
      const known = await absentIfMissing(client.get<FunctionView>(client.ofFunction(declared.name)));
      const at = client.ofFunction(declared.name, `/versions/${encodeURIComponent(alias)}`);
      const version = known?.aliases[alias] && (await absentIfMissing(client.get<VersionView>(at)));
      const routes = routesFor(declared, known, alias);
      const details = known === undefined ? [] : compare({ declared, code, assets, routes }, { known, version });
      const change = known === undefined ? "new" : details.length === 0 ? "unchanged" : "changed";
      return { declared, code, assets, routes, change, details, revision: known?.revision };
    }),
  );
}

async function absentIfMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof ApiFailure && (error.code === "not_found" || error.code === "version_unknown"))
      return undefined;
    throw error;
  }
}

/** A deploy to `production` sets all routes; to another alias it leaves them, and its preview shows what it does. */
function routesFor(declared: DeclaredFunction, known: FunctionView | undefined, alias: string): RouteView[] {
  if (alias !== "production") return [...(known?.routes ?? [])];
  return declared.routes.map((route) => {
    const before = known?.routes.find((each) => each.route === route);
    return { route, alias: before?.alias ?? "production" };
  });
}

function compare(
  here: Pick<PlannedFunction, "declared" | "code" | "assets" | "routes">,
  { known, version }: { readonly known: FunctionView; readonly version: VersionView | undefined },
): string[] {
  const { declared, code, assets, routes } = here;
  const changes = lists("route", known.routes, routes, ({ route }) => route);
  if (version === undefined) return [...changes, "+ alias"];
  if (!sameFiles(version.files, code.files) || version.entry !== code.entry) changes.push("~ code");
  if (!sameFiles(version.assets ?? [], assets)) changes.push("~ static files");
  if (version.exportName !== declared.exportName) changes.push(`~ export ${declared.exportName}`);
  return [...changes, ...compareSettings(version.settings, declared.settings)];
}

function sameFiles(before: VersionView["files"], after: readonly Omit<PlannedFile, "content">[]) {
  const said = ({ path, hash, executable, layer = 0 }: Omit<PlannedFile, "content">) => {
    return `${layer} ${path} ${hash} ${executable ?? ""}`;
  };
  const known = new Set(before.map(said));
  return after.length === known.size && after.every((file) => known.has(said(file)));
}

function compareSettings(before: SettingsView, after: SettingsView): string[] {
  return [
    ...tables("env", before.env, after.env),
    ...tables("limit", before.limits, after.limits),
    ...lists("egress", before.egress, after.egress, String),
    ...tables("secret", byBinding(before), byBinding(after)),
    ...tables("binding", asTexts(before.bindings), asTexts(after.bindings)),
    ...tables("schedule", schedulesOf(before), schedulesOf(after)),
    ...tables("queue", queuesOf(before), queuesOf(after)),
    ...(inOneOrder(before.process ?? {}) === inOneOrder(after.process ?? {}) ? [] : ["~ how the program is started"]),
    ...(inOneOrder(before.wasm ?? {}) === inOneOrder(after.wasm ?? {}) ? [] : ["~ what the module is given"]),
    ...(before.notFound === after.notFound ? [] : [`~ not_found ${after.notFound ?? "function"}`]),
    ...tables("middleware", middlewaresOf(before), middlewaresOf(after)),
    ...(before.instancesMax === after.instancesMax ? [] : [`~ instances ${after.instancesMax}`]),
    ...((before.cache ?? true) === (after.cache ?? true) ? [] : [`~ cache ${after.cache ?? true}`]),
  ];
}

/** Each with all that changes what it does; what it is made of is among the files. */
function middlewaresOf({ middlewares }: SettingsView): Record<string, string> {
  if (middlewares === undefined) return {};
  const { list, inline, order, timeoutMs } = middlewares;
  const hosted = list.map((each, at): [string, string] => [each.name, JSON.stringify([at, each.mode, each.hooks])]);
  const modules = inline.map((name, at): [string, string] => [name, `inline ${at}`]);
  return Object.fromEntries([...hosted, ...modules].map(([name, told]) => [name, `${told} ${order} ${timeoutMs}`]));
}

function byBinding({ secrets }: SettingsView): Record<string, string> {
  return Object.fromEntries(secrets.map(({ binding, name, hosts }) => [binding, JSON.stringify([name, hosts])]));
}

function asTexts(bindings: SettingsView["bindings"] = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(bindings).map(([name, binding]) => [name, inOneOrder(binding)]));
}

function schedulesOf({ schedules = [] }: SettingsView): Record<string, string> {
  return Object.fromEntries(schedules.map((schedule) => [schedule.name, inOneOrder(schedule)]));
}

function queuesOf({ consumers = [] }: SettingsView): Record<string, string> {
  return Object.fromEntries(consumers.map((consumer) => [consumer.queue, inOneOrder(consumer)]));
}

/** In one order: the server may say the keys of an item in another than the file. */
function inOneOrder(item: object): string {
  return JSON.stringify(
    Object.entries(item)
      .filter(([, value]) => value !== undefined)
      .sort(),
  );
}

function tables(
  word: string,
  before: Readonly<Record<string, string | number>>,
  after: Readonly<Record<string, string | number>>,
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) => {
    if (!Object.hasOwn(before, name)) return [`+ ${word} ${name}`];
    if (!Object.hasOwn(after, name)) return [`- ${word} ${name}`];
    return before[name] === after[name] ? [] : [`~ ${word} ${name}`];
  });
}

function lists<T>(word: string, before: readonly T[], after: readonly T[], nameOf: (item: T) => string): string[] {
  const [had, has] = [before.map(nameOf), after.map(nameOf)];
  const added = has.filter((name) => !had.includes(name)).map((name) => `+ ${word} ${name}`);
  const removed = had.filter((name) => !has.includes(name)).map((name) => `- ${word} ${name}`);
  const moved = added.length + removed.length === 0 && had.join("\n") !== has.join("\n") ? [`~ order of ${word}s`] : [];
  return [...added, ...removed, ...moved];
}
