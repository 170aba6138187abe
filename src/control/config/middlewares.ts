/**
 * Reads what runs around functions and programs: names, to files of the folder `middlewares` beside the configuration.
 *
 * `NAME` is an executable, or a module in JavaScript or TypeScript, with its ending or without; `NAME.json` beside it says what
 * cannot be seen from outside. Only names and metadata are looked at here; a module is parsed in a sandbox.
 */
import { readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, join, sep } from "node:path";
import { z } from "zod";
import { HOOKS, MIDDLEWARES_FOLDER, MIDDLEWARES_VARIABLE, type MiddlewareOrder } from "../../core/middleware.ts";
import type { MiddlewareConfig, MiddlewaresConfig } from "./middleware_config.ts";
import { MIDDLEWARE_MS_RULE } from "./middleware_rules.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";

/** Middlewares of one function or plan. */
export const MIDDLEWARES_MAX = 16;
const FILE_BYTES_MAX = 64 * 1024 * 1024;
const MANIFEST_BYTES_MAX = 64 * 1024;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MODULE = /\.[mc]?[jt]s$/i;
const MODULE_ENDINGS = ["ts", "js", "mts", "mjs"];
const EXECUTABLE = 0o111;

const manifestShape = z.strictObject({
  protocol: z.literal("ndjson/1").optional(),
  hooks: z.array(z.enum(HOOKS)).min(1).optional(),
});

/** What is said of them. */
export interface RawMiddlewares {
  readonly middlewares?: readonly string[] | undefined;
  readonly middleware_order?: MiddlewareOrder | undefined;
  readonly middleware_ms?: number | undefined;
}

/**
 * The middlewares of a table.
 * @param named the value of the environment variable, for a table without the key
 * @throws {ConfigError} for the first mistake
 */
export function readMiddlewares(
  raw: RawMiddlewares,
  path: KeyPath,
  source: { readonly report: ConfigReport; readonly folder: string },
  named?: { readonly value: string | undefined; readonly key: KeyPath } | undefined,
): MiddlewaresConfig | undefined {
  const { report, folder } = source;
  const key = raw.middlewares === undefined && named !== undefined ? named.key : [...path, "middlewares"];
  const names = raw.middlewares ?? namesIn(named?.value);
  if (names.length === 0) {
    for (const other of ["middleware_order", "middleware_ms"] as const) {
      if (raw[other] !== undefined) report.fail([...path, other], "there are no middlewares");
    }
    return undefined;
  }
  if (names.length > MIDDLEWARES_MAX) report.fail(key, `there are more than ${MIDDLEWARES_MAX}`);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) report.fail(key, `"${twice}" stands twice`);
  const list = names.map((name) => {
    try {
      return findMiddleware(join(folder, MIDDLEWARES_FOLDER), name);
    } catch (error) {
      return report.fail(key, error instanceof Error ? error.message : String(error));
    }
  });
  const { middleware_order: order = "reverse", middleware_ms: timeoutMs = MIDDLEWARE_MS_RULE.default } = raw;
  return { list, order, timeoutMs };
}

/** The names in the environment variable. */
export function namesIn(value: string | undefined): string[] {
  return (value ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

/** What of an environment names middlewares, and where that stands. */
export function namedIn(
  env: Readonly<Record<string, string>> | undefined,
  server: Readonly<Record<string, string | undefined>>,
  path: KeyPath,
): { readonly value: string | undefined; readonly key: KeyPath } {
  const own = env?.[MIDDLEWARES_VARIABLE];
  if (own !== undefined) return { value: own, key: [...path, "env", MIDDLEWARES_VARIABLE] };
  return { value: server[MIDDLEWARES_VARIABLE], key: path };
}

/** The middleware `name` of a folder. @throws {Error} that says why there is none */
function findMiddleware(folder: string, name: string): MiddlewareConfig {
  const fail = (why: string): never => {
    throw new Error(`the middleware "${name}" ${why}`);
  };
  if (!NAME.test(name)) fail('has no name: expected letters, digits, ".", "_" and "-"');
  const places = [name, ...MODULE_ENDINGS.map((ending) => `${name}.${ending}`)].map((each) => join(folder, each));
  const path = places.find((each) => statOf(each) !== undefined) ?? fail(`is not there: nothing is at ${places[0]}`);
  const real = realpathSync(path);
  if (!real.startsWith(realpathSync(folder) + sep)) fail(`is a symbolic link out of its folder (${path})`);
  const stats = statOf(real);
  if (stats?.isFile() !== true) fail(`is no file (${path})`);
  if ((stats?.size ?? 0) > FILE_BYTES_MAX) fail(`is larger than ${FILE_BYTES_MAX / 1024 / 1024} MiB (${path})`);
  const { protocol, hooks = HOOKS } = readManifest(`${join(folder, name)}.json`, fail);
  const isModule = MODULE.test(path);
  if (!isModule && ((stats?.mode ?? 0) & EXECUTABLE) === 0) fail(`cannot be executed (${path}); chmod +x makes it so`);
  const kind = isModule ? "module" : protocol === undefined ? "plain" : "persistent";
  return { name, kind, path: real, hooks };
}

function readManifest(path: string, fail: (why: string) => never): z.output<typeof manifestShape> {
  const stats = statOf(path);
  if (stats === undefined) return {};
  const at = basename(path);
  if (!stats.isFile() || stats.size > MANIFEST_BYTES_MAX) fail(`has a manifest that cannot be read (${at})`);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    fail(`has a manifest that is not JSON (${at})`);
  }
  const read = manifestShape.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const where = issue?.path.join(".");
  return fail(`has a manifest with a mistake${where ? ` at "${where}"` : ""} (${at}): ${issue?.message}`);
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
