/**
 * What stands in the store: the form of each record, parsed when it is read. One file for all of them, so that what an
 * older or newer server wrote is understood or refused in one place.
 *
 * Records are JSON. The only one that makes anything visible is a function's pointer; everything else is written before
 * it, or hangs on it.
 */
import { z } from "zod";
import { ENGINE_NAMES } from "../../core/function.ts";
import { RUN_RIGHTS } from "../../core/plan.ts";
import {
  ASSETS_MAX,
  assetFile,
  egressInside,
  hash,
  instant,
  limits,
  name,
  planBindings,
  quotas,
  routeRecord,
  settings,
  versionFile,
} from "../fields.ts";
import { lambdaRecord } from "../lambda/record.ts";

/** An immutable version. */
export const manifestRecord = z.object({
  engine: z.enum(ENGINE_NAMES),
  files: z.array(versionFile).min(1).max(1000),
  /** Static files, served without an instance. */
  assets: z.array(assetFile).max(ASSETS_MAX).optional(),
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
export const projectRecord = z.object({
  createdAt: instant,
  limits: limits.optional(),
  quotas: quotas.default({}),
  egressInside: egressInside.optional(),
});

/** What a `SecretBox` has encrypted. */
const sealed = z.object({ keyId: z.string(), iv: z.string(), data: z.string(), tag: z.string() });

/** A secret, encrypted. */
export const secretRecord = sealed.extend({ createdAt: instant, updatedAt: instant });

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
  /** The secret half of the pair that signs requests, encrypted. */
  aws: sealed.optional(),
  createdAt: instant,
});

/** A plan that is managed here. */
export const planRecord = z.strictObject({
  run: z.enum(RUN_RIGHTS).default("none"),
  limits: limits.default({}),
  ratePerSecond: z.number().positive().max(1_000_000).optional(),
  egress: z.array(z.string().min(1).max(256)).max(256).default([]),
  bindings: planBindings.optional(),
  origins: z
    .array(
      z
        .string()
        .regex(/^(\*|https?:\/\/[^/?#@\\\s*]+)$/, 'expected an origin, such as "https://app.example.com", or "*"'),
    )
    .max(64)
    .default([]),
  /** Whether its keys may deploy programs of the `process` engine; they may when left out. */
  native: z.boolean().optional(),
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
  lambda: lambdaRecord,
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

/** The value that bytes are the JSON of; undefined when they are none. */
export function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
