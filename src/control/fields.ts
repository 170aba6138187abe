/** The fields of records and of what the admin API takes: each with its form, and what was expected where it is another. */
import { z } from "zod";
import { ASSET_FALLBACKS, isAssetPath } from "../core/assets.ts";
import {
  BINDING_KINDS,
  BINDING_NAME_EXPECTED,
  BINDINGS_MAX,
  type BindingKey,
  isBindingName,
} from "../core/binding_kinds.ts";
import { LIMIT_NAMES, LIMIT_RULES, type Limits } from "../core/limits.ts";
import { parseNewRoute, parseRoute } from "../core/route.ts";
import { CONSUMER_RULES, TRIGGERS_MAX } from "../core/trigger_rules.ts";
import { LAYERS_MAX } from "./config/process_rules.ts";
import { middlewaresSetting, processSetting } from "./program_fields.ts";
import { QUOTA_NAMES, type Quotas } from "./tenancy/quotas.ts";

/** Names of projects, functions, aliases and plans: a label of a host, without the "--" that divides a preview's. */
export const NAME_PATTERN = /^(?!.*--)[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
/** What is expected of one. */
export const NAME_EXPECTED = 'a name of "a" to "z", "0" to "9" and single "-" between them, at most 40 long';

/** A name. */
export const name = z.string().max(40, `expected ${NAME_EXPECTED}`).regex(NAME_PATTERN, `expected ${NAME_EXPECTED}`);
/** `sha256-<hex>`. */
export const hash = z.string().regex(/^sha256-[0-9a-f]{64}$/, 'expected "sha256-" and 64 hexadecimal digits');
/** Milliseconds since the Unix epoch. */
export const instant = z.number().int().min(0);
/** Names of variables, secrets and bindings. */
export const variable = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'expected letters, digits and "_", at most 64, and no digit first');

const LIMIT_SHAPE = Object.fromEntries(
  LIMIT_NAMES.map((key) => [
    key,
    z.number().int().min(LIMIT_RULES[key].floor).max(LIMIT_RULES[key].ceiling).optional(),
  ]),
);
/** Limits by the names of `core/limits.ts`, each within its bounds. */
export const limits = z.strictObject(LIMIT_SHAPE) as unknown as z.ZodType<Partial<Limits>, Partial<Limits>>;

/** What a project may have, by the names of `quotas.ts`. */
export const quotas = z.strictObject(
  Object.fromEntries(QUOTA_NAMES.map((key) => [key, z.number().int().min(0).optional()])),
) as unknown as z.ZodType<Partial<Quotas>, Partial<Quotas>>;

const ENV_ENTRIES_MAX = 256;

/** Variables. */
export const environment = z
  .record(z.string().regex(/^[^=\0]{1,256}$/, 'expected a name without "=", at most 256 long'), z.string().max(32_768))
  .refine((env) => Object.keys(env).length <= ENV_ENTRIES_MAX, `expected at most ${ENV_ENTRIES_MAX} variables`);

/** A secret of a project that a function is given under the name of a binding; with hosts, on egress only. */
export const secretBinding = z.strictObject({
  binding: variable,
  name: variable,
  hosts: z.array(z.string().min(1).max(256)).max(64).default([]),
});

const OPTION_FORMS = {
  text: z.string().min(1).max(4096),
  texts: z.array(z.string().min(1).max(4096)).max(256),
  number: z.number(),
  boolean: z.boolean(),
} as const;

/** Bindings by their names on `env`; what their keys hold is checked by `core/binding_kinds.ts`. */
function bindingsOf(types: readonly [string, ...string[]], own: z.ZodRawShape) {
  const keys = Object.values(BINDING_KINDS).flatMap(({ keys }) => Object.entries<BindingKey>(keys));
  const options = Object.fromEntries(keys.map(([key, { form }]) => [key, OPTION_FORMS[form].optional()]));
  const binding = z.strictObject({
    type: z.enum(types),
    name: z.string().max(64).optional(),
    mode: z.enum(["read", "read-write"]).optional(),
    ...own,
    ...options,
  });
  return z
    .record(z.string().refine(isBindingName, `expected ${BINDING_NAME_EXPECTED}`), binding)
    .refine((all) => Object.keys(all).length <= BINDINGS_MAX, `expected at most ${BINDINGS_MAX} bindings`);
}

/** What a plan's programs have on `env`. */
export const planBindings = bindingsOf(typesWith(), {});

function typesWith(...more: readonly string[]): [string, ...string[]] {
  return [...Object.keys(BINDING_KINDS), ...more] as [string, ...string[]];
}

/** Entries of egress lists that are not public, and that keys of a project may use all the same. */
export const egressInside = z.array(z.string().min(1).max(256)).max(256);

const scheduleSetting = z.strictObject({
  name: name.optional(),
  cron: z.string().min(1).max(256),
  timezone: z.string().min(1).max(64).optional(),
  catchUp: z.boolean().optional(),
  overlap: z.enum(["skip", "allow"]).optional(),
  enabled: z.boolean().optional(),
});

const consumerSetting = z.strictObject({
  queue: z.string().min(1).max(63),
  deadLetter: z.string().min(1).max(63).optional(),
  ...(Object.fromEntries(
    Object.entries(CONSUMER_RULES).map(([key, { floor, ceiling }]) => [
      key,
      z.number().int().min(floor).max(ceiling).optional(),
    ]),
  ) as Record<keyof typeof CONSUMER_RULES, z.ZodOptional<z.ZodNumber>>),
});

/** What changes a version's behaviour beside its files. */
export const settings = z.strictObject({
  env: environment.default({}),
  limits: limits.default({}),
  egress: z.array(z.string().min(1).max(256)).max(256).default([]),
  secrets: z.array(secretBinding).max(64).default([]),
  // Optional and not empty by default: what was deployed without it keeps its version.
  bindings: bindingsOf(typesWith("secret"), { hosts: secretBinding.shape.hosts.unwrap().optional() }).optional(),
  instancesMax: z.number().int().min(1).max(10_000).default(16),
  /** Whether the gateway keeps answers that say that they may be kept; it does when left out. */
  cache: z.boolean().optional(),
  schedules: z.array(scheduleSetting).max(TRIGGERS_MAX).optional(),
  consumers: z.array(consumerSetting).max(TRIGGERS_MAX).optional(),
  /** What answers where no static file does. */
  notFound: z.enum(ASSET_FALLBACKS).optional(),
  /** Left out, the entry of a program speaks the Runtime API, and its handler is the export's name. */
  process: processSetting.optional(),
  /** Left out, those that the variable `SLSMIDDLEWARES` names, as far as they are among the files. */
  middlewares: middlewaresSetting.optional(),
});

const storedFile = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(512)
    .refine(isPlainPath, 'expected a relative path with "/" between its parts, none of which is "." or ".."'),
  hash,
  bytes: z.number().int().min(0),
});

/** A file of a version. */
export const versionFile = storedFile.extend({
  /** Whether a program's file can be executed; it can when left out. */
  executable: z.boolean().optional(),
  /** The layer of a program that it is of, counted from 1; of the program itself when left out. */
  layer: z.number().int().min(1).max(LAYERS_MAX).optional(),
});

/** A static file of a version. */
export const assetFile = storedFile.extend({
  path: z
    .string()
    .min(1)
    .max(512)
    .refine(isAssetPath, 'expected a relative path with "/" between its parts, none of which begins with "."'),
});

/** The most static files of a version. */
export const ASSETS_MAX = 2000;

function isPlainPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/[\\\0]/.test(part));
}

/** A route of a function. */
export const routeRecord = z.strictObject({
  route: z.string().min(1).max(512).check(passes(parseRoute)),
  alias: name.default("production"),
});

/** A route that somebody has just written. */
export const newRoute = z.string().min(1).max(512).check(passes(parseNewRoute));

/** Accepts what `parse` does not throw at. */
function passes(parse: (text: string) => unknown): z.core.CheckFn<string> {
  return ({ value, issues }) => {
    try {
      parse(value);
    } catch (error) {
      issues.push({ code: "custom", message: error instanceof Error ? error.message : String(error), input: value });
    }
  };
}
