/**
 * What stands in the store: the form of each record, parsed when it is read. One file for all of them, so that what an
 * older or newer server wrote is understood or refused in one place.
 *
 * Records are JSON. The only one that makes anything visible is a function's pointer; everything else is written before
 * it, or hangs on it.
 */
import { z } from "zod";
import { ENGINE_NAMES } from "../core/function.ts";
import { LIMIT_NAMES, LIMIT_RULES, type Limits } from "../core/limits.ts";
import { RUN_RIGHTS } from "../core/plan.ts";
import { parseRoute } from "../core/route.ts";
import { QUOTA_NAMES, type Quotas } from "./quotas.ts";

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

/** What changes a version's behaviour beside its files. */
export const settings = z.strictObject({
  env: environment.default({}),
  limits: limits.default({}),
  egress: z.array(z.string().min(1).max(256)).max(256).default([]),
  secrets: z.array(secretBinding).max(64).default([]),
  instancesMax: z.number().int().min(1).max(10_000).default(16),
});

/** A file of a version. */
export const versionFile = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(512)
    .refine(isPlainPath, 'expected a relative path with "/" between its parts, none of which is "." or ".."'),
  hash,
  bytes: z.number().int().min(0),
});

function isPlainPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/[\\\0]/.test(part));
}

/** An immutable version. */
export const manifestRecord = z.object({
  engine: z.enum(ENGINE_NAMES),
  files: z.array(versionFile).min(1).max(1000),
  entry: z.string(),
  exportName: z.string(),
  settings,
  /** What was made of the files where they had to be joined: code, and its source map. */
  bundle: z.object({ code: hash, map: hash.optional() }).optional(),
  createdAt: instant,
  createdBy: z.string(),
  message: z.string().optional(),
});

/** What an alias stands for. */
export const aliasRecord = z.strictObject({
  targets: z
    .array(z.strictObject({ version: hash, weight: z.number().int().min(0).max(1_000_000) }))
    .min(1)
    .max(16)
    .refine((targets) => targets.some(({ weight }) => weight > 0), "expected a weight above 0"),
  sticky: z
    .strictObject({
      by: z.enum(["cookie", "header", "key"]),
      name: z
        .string()
        .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, "expected the name of a header or cookie")
        .optional(),
    })
    .optional(),
});

/** A route of a function. */
export const routeRecord = z.strictObject({
  route: z.string().min(1).max(512).check(isRoute),
  alias: name.default("production"),
});

function isRoute({ value, issues }: z.core.ParsePayload<string>): void {
  try {
    parseRoute(value);
  } catch (error) {
    issues.push({ code: "custom", message: error instanceof Error ? error.message : String(error), input: value });
  }
}

/** The pointer: what is current of a function. */
export const functionRecord = z.object({
  aliases: z.record(z.string(), aliasRecord),
  routes: z.array(routeRecord),
  history: z.array(
    z.object({ alias: z.string(), version: hash, at: instant, by: z.string(), rollback: z.boolean().optional() }),
  ),
  createdAt: instant,
  updatedAt: instant,
});

/** Who has a route. */
export const claimRecord = z.object({ project: name, function: name, at: instant });

/** A project. */
export const projectRecord = z.object({ createdAt: instant, limits: limits.optional(), quotas: quotas.default({}) });

/** A secret, encrypted. */
export const secretRecord = z.object({
  keyId: z.string(),
  iv: z.string(),
  data: z.string(),
  tag: z.string(),
  createdAt: instant,
  updatedAt: instant,
});

/** What a key opens. */
export const KEY_SCOPES = ["deploy", "invoke", "run", "logs", "admin"] as const;

/** An API key, under its hash. */
export const keyRecord = z.object({
  prefix: z.string(),
  project: name,
  scopes: z.array(z.enum(KEY_SCOPES)).min(1),
  plan: name,
  expiresAt: instant.optional(),
  name: z.string().max(200).optional(),
  mayPin: z.boolean().default(false),
  createdAt: instant,
});

/** A plan that is managed here. */
export const planRecord = z.strictObject({
  run: z.enum(RUN_RIGHTS).default("none"),
  limits: limits.default({}),
  ratePerSecond: z.number().positive().max(1_000_000).optional(),
  egress: z.array(z.string().min(1).max(256)).max(256).default([]),
  origins: z
    .array(
      z
        .string()
        .regex(/^(\*|https?:\/\/[^/?#@\\\s*]+)$/, 'expected an origin, such as "https://app.example.com", or "*"'),
    )
    .max(64)
    .default([]),
});

/** Who changed what. */
export const auditRecord = z.object({
  at: instant,
  who: z.string(),
  action: z.string(),
  project: z.string().optional(),
  what: z.string(),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
});

/** The records that a server holds in memory, by the first segment of their keys. */
export const RECORDS = {
  projects: projectRecord,
  versions: manifestRecord,
  functions: functionRecord,
  routes: claimRecord,
  secrets: secretRecord,
  keys: keyRecord,
  plans: planRecord,
} as const;

/** The kinds of records. */
export type RecordKind = keyof typeof RECORDS;
/** The record of a kind. */
export type RecordOf<Kind extends RecordKind> = z.infer<(typeof RECORDS)[Kind]>;
/** A version's manifest. */
export type Manifest = z.infer<typeof manifestRecord>;
/** A version's settings. */
export type VersionSettings = z.infer<typeof settings>;
/** A function's pointer. */
export type FunctionRecord = z.infer<typeof functionRecord>;
/** A key's record. */
export type ApiKeyRecord = z.infer<typeof keyRecord>;
/** A scope of a key. */
export type KeyScope = (typeof KEY_SCOPES)[number];
/** An entry of the audit. */
export type AuditRecord = z.infer<typeof auditRecord>;

/** A record as it is stored. */
export function toBytes(record: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}
