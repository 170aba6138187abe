/**
 * The shape of `isopod.toml`: every key that there is, those of engines and bindings to come included.
 *
 * Shapes only: what depends on two keys, on files or on the server's environment is checked by `functions.ts`
 * and `file.ts`.
 */
import { z } from "zod";
import { ASSET_FALLBACKS } from "../../core/assets.ts";
import { ENGINE_NAMES } from "../../core/function.ts";
import { LIMIT_RULES, type LimitRule, type Limits } from "../../core/limits.ts";
import { RUN_RIGHTS } from "../../core/plan.ts";
import { bindingSchema, planBindingSchema } from "./binding_schema.ts";
import { blobsSchema } from "./blobs_schema.ts";
import type { ValueChecks } from "./checks.ts";
import { SANDBOX_NAMES } from "./config.ts";
import { MIDDLEWARE_SHAPE } from "./middleware_rules.ts";
import { PROCESS_SHAPE } from "./process_rules.ts";
import { CACHE_RULES, CONSUMER_RULES, FUNCTION_INSTANCES_RULE, LOGS_RULES, POOL_RULES, SERVER_RULES } from "./rules.ts";
import {
  address,
  checked,
  codelessPath,
  domain,
  environment,
  isName,
  keyHash,
  NAME_EXPECTED,
  oneOf,
  origin,
  rate,
  route,
  setting,
  sourceRule,
  text,
} from "./values.ts";

type RuleTable<Name extends string> = Readonly<Record<Name, LimitRule>>;

/** The settings of a table of rules, all optional, by the rules' keys. */
function settings(rules: RuleTable<string>): Record<string, z.ZodOptional<z.ZodType<number>>> {
  return Object.fromEntries(Object.values(rules).map((rule) => [rule.key, setting(rule).optional()]));
}

/** What `raw` holds under the keys of `rules`, by the rules' own names. */
export function settingsOf<Name extends string>(
  rules: RuleTable<Name>,
  raw: Readonly<Record<string, unknown>> | undefined,
): Partial<Record<Name, number>> {
  const found: Partial<Record<Name, number>> = {};
  for (const name of Object.keys(rules) as Name[]) {
    const value = raw?.[rules[name].key];
    if (typeof value === "number") found[name] = value;
  }
  return found;
}

/** The limits that `raw` sets. */
export function limitsOf(raw: Readonly<Record<string, unknown>> | undefined): Partial<Limits> {
  return settingsOf(LIMIT_RULES, raw);
}

const filePath = text("the path of a file or folder");

function functionSchema(checks: ValueChecks) {
  return z.strictObject({
    name: text(NAME_EXPECTED, isName),
    engine: oneOf(ENGINE_NAMES).optional(),
    path: filePath,
    export: text("the name of an export").optional(),
    routes: z.array(route).optional(),
    env: environment.optional(),
    limits: z.strictObject(settings(LIMIT_RULES)).optional(),
    instances: setting(FUNCTION_INSTANCES_RULE).optional(),
    cache: z.boolean().optional(),
    egress: z.array(egressRule(checks)).optional(),
    assets: filePath.optional(),
    not_found: oneOf(ASSET_FALLBACKS).optional(),
    bindings: z.record(z.string(), bindingSchema(checks)).optional(),
    ...MIDDLEWARE_SHAPE,
    ...PROCESS_SHAPE,
  });
}

function egressRule({ validateEgress }: ValueChecks) {
  return checked('a host that may be reached, such as "api.example.com" or "*.example.org:443"', validateEgress);
}

function planSchema(checks: ValueChecks) {
  return z.strictObject({
    run: oneOf(RUN_RIGHTS).optional(),
    ...settings(LIMIT_RULES),
    rate: rate.optional(),
    egress: z.array(egressRule(checks)).optional(),
    bindings: z.record(z.string(), planBindingSchema(checks)).optional(),
    origins: z.array(origin).optional(),
    native: z.boolean().optional(),
    ...MIDDLEWARE_SHAPE,
    unsigned: z.boolean().optional(),
  });
}

const applicationSchema = z.strictObject({
  file_path: filePath,
  method: text('a method, such as "GET"', (method) => /^[A-Za-z][A-Za-z0-9-]{0,31}$/.test(method)).optional(),
  url_path: text('a path that begins with "/"', (path) => path.startsWith("/")),
  function: text("the name of an export").optional(),
  env: environment.optional(),
});

const scheduleSchema = z.strictObject({
  function: text("the name of a function of the file"),
  cron: text('a cron expression, such as "0 6 * * 1-5"'),
  timezone: text('the name of a time zone, such as "Europe/Berlin"').optional(),
  name: text("a name").optional(),
  catch_up: z.boolean().optional(),
  overlap: z.enum(["skip", "allow"], { error: 'expected "skip" or "allow"' }).optional(),
  enabled: z.boolean().optional(),
});

const consumerSchema = z.strictObject({
  queue: text("the name of a queue"),
  function: text("the name of a function of the file"),
  dead_letter: text("the name of a queue").optional(),
  ...settings(CONSUMER_RULES),
});

/** The schema of a whole file. */
export function configSchema(checks: ValueChecks) {
  return z.strictObject({
    listen_address: address.optional(),
    admin_address: address.optional(),
    sandbox: oneOf(SANDBOX_NAMES).optional(),
    apps: filePath.optional(),
    blobs: blobsSchema.optional(),
    preview_domains: z.array(domain).optional(),
    secrets_key_file: filePath.optional(),
    rpc: z.strictObject({ path: codelessPath.optional() }).optional(),
    codeless: z
      .strictObject({ path: codelessPath.optional(), sources: z.array(sourceRule(checks.validateSource)).optional() })
      .optional(),
    plans: z.record(z.string(), planSchema(checks)).optional(),
    keys: z
      .array(z.strictObject({ plan: text("the name of a plan"), hash: keyHash, pin: z.boolean().optional() }))
      .optional(),
    functions: z.array(functionSchema(checks)).optional(),
    applications: z.array(applicationSchema).optional(),
    schedules: z.array(scheduleSchema).max(1000).optional(),
    consumers: z.array(consumerSchema).max(1000).optional(),
    pool: z.strictObject(settings(POOL_RULES)).optional(),
    server: z.strictObject(settings(SERVER_RULES)).optional(),
    cache: z.strictObject(settings(CACHE_RULES)).optional(),
    logs: z.strictObject(settings(LOGS_RULES)).optional(),
  });
}

/** A file of the right shape. */
export type RawConfig = z.infer<ReturnType<typeof configSchema>>;
/** An entry of `[[functions]]`. */
export type RawFunction = z.infer<ReturnType<typeof functionSchema>>;
/** An entry of `[[applications]]`. */
export type RawApplication = z.infer<typeof applicationSchema>;
/** A table under `[plans]`. */
export type RawPlan = z.infer<ReturnType<typeof planSchema>>;

/** The keys that a table at `path` of `schema` may hold; undefined where names are free or no table is meant. */
export function keysAt(schema: z.ZodType, path: readonly (string | number)[]): string[] | undefined {
  let at: z.ZodType | undefined = unwrap(schema);
  for (const part of path) at = at && child(at, part);
  return at instanceof z.ZodObject ? Object.keys(at.shape) : undefined;
}

function child(schema: z.ZodType, part: string | number): z.ZodType | undefined {
  let inner: unknown;
  if (schema instanceof z.ZodObject) inner = schema.shape[part];
  else if (schema instanceof z.ZodArray) inner = schema.element;
  else if (schema instanceof z.ZodRecord) inner = schema.valueType;
  return inner instanceof z.ZodType ? unwrap(inner) : undefined;
}

function unwrap(schema: z.ZodType): z.ZodType {
  const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
  return inner instanceof z.ZodType ? inner : schema;
}

/** Every key of `schema` from the top, dotted; `NAME` stands for a name that is free. */
export function allKeys(schema: z.ZodType, prefix = ""): string[] {
  const at = unwrap(schema);
  if (at instanceof z.ZodArray) return at.element instanceof z.ZodType ? allKeys(at.element, prefix) : [];
  if (at instanceof z.ZodRecord)
    return at.valueType instanceof z.ZodType ? allKeys(at.valueType, `${prefix}NAME.`) : [];
  if (!(at instanceof z.ZodObject)) return [prefix.slice(0, -1)];
  return Object.entries(at.shape).flatMap(([key, inner]) =>
    inner instanceof z.ZodType ? allKeys(inner, `${prefix}${key}.`) : [],
  );
}
