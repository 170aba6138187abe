/** What is asked for in a version, checked before anything of it is stored. */
import { IsopodError } from "../../core/errors.ts";
import { LIMIT_NAMES, type Limits } from "../../core/limits.ts";
import type { Plan } from "../../core/plan.ts";
import { directoryMistake } from "../../core/wasm_program.ts";
import { ENV_NAME_EXPECTED, isEnvName } from "../config/values.ts";
import type { Replica } from "../publish/replica.ts";
import type { Manifest, VersionSettings } from "./records.ts";
import { hookPaths } from "./stored_hooks.ts";
import { declarationsOf, secretsOf, triggersOf } from "./version_bindings.ts";
import type { DeployedFile } from "./version_files.ts";

/** What a version is made of. */
export interface VersionInput {
  readonly engine: Manifest["engine"];
  readonly files: readonly DeployedFile[];
  /** Static files. */
  readonly assets?: readonly DeployedFile[] | undefined;
  readonly entry: string;
  readonly exportName: string;
  readonly settings: VersionSettings;
  readonly message?: string | undefined;
}

/** Whose version it is, and who makes it. */
export interface VersionOwner {
  readonly project: string;
  readonly name: string;
  readonly by: string;
  /** Whether it is by the server's own token: a key's function reaches what is public, and what its project may. */
  readonly isServer: boolean;
  /** Of the key; undefined for the server's own token. */
  readonly plan?: string | undefined;
}

/** What checking takes. */
export interface VersionChecks {
  readonly replica: Replica;
  plans(): ReadonlyMap<string, Plan>;
  /** The checks of the bindings' languages. */
  validateEgress(rule: string): void;
  /** Whether an entry names addresses that are not public. */
  reachesInside(rule: string): boolean;
  validateHost(host: string): void;
  validateCron(cron: string, timezone: string): void;
  /** The largest values of limits that the server is set up for. */
  readonly largest: Partial<Limits>;
}

/** @throws {IsopodError} `bad_request`, `forbidden` for the first mistake */
export function checkVersion(parts: VersionChecks, owner: VersionOwner, input: VersionInput): void {
  const { project, name } = owner;
  const { engine, files, assets = [], entry, settings } = input;
  const fail = (why: string): never => {
    throw new IsopodError("bad_request", { message: `Cannot deploy "${name}": ${why}` });
  };
  const paths = new Set(files.filter(({ layer }) => layer === undefined).map(({ path }) => path));
  if (new Set(files.map(({ layer = 0, path }) => `${layer} ${path}`)).size < files.length) {
    fail("two of its files have one path");
  }
  if (engine === "process") {
    checkNative(parts, owner);
    const isHttp = settings.process?.dialect === "http";
    if (!isHttp && (settings.limits.concurrencyMax ?? 1) > 1) {
      fail('limits.concurrencyMax: expected 1: a program takes more by the dialect "http" alone');
    }
  } else if (hookPaths(input).size > 0) {
    // They run where programs do, whatever the function is.
    checkNative(parts, owner);
  }
  if (engine !== "process" && (settings.process !== undefined || paths.size < files.length)) {
    fail("settings.process and layers are for the engine process alone");
  }
  const absent = [...hookPaths(input)].find((path) => !paths.has(path));
  if (absent !== undefined) fail(`its middleware ${absent} is not among its files`);
  if (new Set(assets.map(({ path }) => path)).size < assets.length) fail("two of its static files have one path");
  if (settings.notFound !== undefined && assets.length === 0) fail("notFound is for static files, and it has none");
  if (!paths.has(entry)) fail(`its entry "${entry}" is not among its files: ${[...paths].slice(0, 10).join(", ")}`);
  if (settings.wasm !== undefined && engine !== "wasm") fail('only functions of the engine "wasm" have settings.wasm');
  triggersOf(settings, parts.validateCron, `Cannot deploy "${name}"`);
  for (const limit of LIMIT_NAMES) {
    const { [limit]: most = Number.POSITIVE_INFINITY } = parts.largest;
    if ((settings.limits[limit] ?? 0) <= most) continue;
    fail(`${limit} is over ${most}, the most of any plan or function when this server was started`);
  }
  const declared = declarationsOf(settings.bindings, `Cannot deploy "${name}"`);
  const mistake = directoryMistake(settings.wasm?.directories, declared);
  if (mistake !== undefined) fail(`settings.wasm.directories: ${mistake}`);
  const connections = [...declared.values()].flatMap(({ options }) => (options["allow"] ?? []) as readonly string[]);
  for (const rule of [...settings.egress, ...connections]) {
    attempt(() => parts.validateEgress(rule), fail);
    if (!owner.isServer && parts.reachesInside(rule)) checkInside(parts, owner, rule);
  }
  const misnamed = Object.keys(settings.env).find((each) => !isEnvName(each));
  if (misnamed !== undefined) fail(`cannot name a variable "${misnamed}": expected ${ENV_NAME_EXPECTED}`);
  const bound = new Set<string>();
  for (const binding of [...settings.secrets.map((each) => each.binding), ...Object.keys(settings.bindings ?? {})]) {
    if (Object.hasOwn(settings.env, binding)) fail(`"${binding}" is both a variable and a binding`);
    if (bound.has(binding)) fail(`"${binding}" is bound twice`);
    bound.add(binding);
  }
  for (const { binding, name: secret, hosts } of secretsOf(settings)) {
    if (hosts.includes("*")) fail(`the secret "${binding}" is for every host, and every host would learn it`);
    for (const host of hosts) attempt(() => parts.validateHost(host), fail);
    if (parts.replica.get("secrets", project, secret) !== undefined) continue;
    fail(
      `project "${project}" has no secret "${secret}", which ${binding} binds: \`isopod secret set ${secret}\` makes it`,
    );
  }
}

function checkNative({ plans }: VersionChecks, { name, plan }: VersionOwner): void {
  if (plan === undefined || plans().get(plan)?.native !== false) return;
  throw new IsopodError("forbidden", {
    message: `Cannot deploy "${name}": it is a program of the engine process, and the key's plan "${plan}" has native = false`,
  });
}

function checkInside({ replica }: VersionChecks, { project, name }: VersionOwner, rule: string): void {
  if (replica.get("projects", project)?.value.egressInside?.includes(rule)) return;
  throw new IsopodError("forbidden", {
    message: `Cannot deploy "${name}": "${rule}" is not public, and takes the server's token or the project's egressInside`,
  });
}

function attempt(check: () => void, fail: (why: string) => never): void {
  try {
    check();
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}
