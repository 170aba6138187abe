/** What is said of a function in `CreateFunction` and `UpdateFunctionConfiguration`, and what of it becomes settings. */
import { z } from "zod";
import { completeLimits, LIMIT_RULES, type Limits } from "../../core/limits.ts";
import type { VersionSettings } from "../deploy/records.ts";
import { settings } from "../fields.ts";
import { ARCHITECTURE } from "./configuration.ts";
import { invalid } from "./failures.ts";
import { readWith } from "./operation.ts";
import { findRuntime } from "./runtimes.ts";

const MB = 1024 * 1024;
const TIMEOUT_SECONDS = 3;
const MEMORY_MB = 128;
const CODE_LENGTH_MAX = 20 * 1024 * 1024;

const NO_VPC = "networks of one's own are not offered here: what a function reaches is its egress";

/** Tags, as AWS bounds them. */
export const tags = z
  .record(z.string().min(1).max(128), z.string().max(256))
  .refine((all) => Object.keys(all).length <= 50, "expected at most 50 tags");

/**
 * What tools send though they ask for nothing by it: only these values are taken, since whoever asks for more must not
 * believe to have it.
 */
const NEUTRAL = {
  VpcConfig: z.strictObject({
    SubnetIds: z.array(z.string()).max(0, NO_VPC).nullish(),
    SecurityGroupIds: z.array(z.string()).max(0, NO_VPC).nullish(),
  }),
  DeadLetterConfig: z.strictObject({}),
  TracingConfig: z.strictObject({ Mode: z.literal("PassThrough") }),
  Layers: z.array(z.string()).max(0, "layers are not offered here"),
  FileSystemConfigs: z.array(z.unknown()).max(0, "file systems are not offered here"),
  SnapStart: z.strictObject({ ApplyOn: z.literal("None") }),
  LoggingConfig: z.looseObject({ LogFormat: z.literal("Text").optional() }),
  EphemeralStorage: z.strictObject({ Size: z.literal(512) }),
  KMSKeyArn: z.literal(""),
} as const;

const nullish = <Schema extends z.ZodType>(schema: Schema) => schema.nullish();

/** What may be said of how a function runs. */
export const configurationShape = {
  Runtime: nullish(z.string().max(64)),
  Role: nullish(z.string().max(512)),
  Handler: nullish(z.string().min(1).max(128)),
  Description: nullish(z.string().max(256)),
  Timeout: nullish(
    z
      .number()
      .int()
      .min(1)
      .max(LIMIT_RULES.wallMs.ceiling / 1000),
  ),
  MemorySize: nullish(
    z
      .number()
      .int()
      .min(MEMORY_MB)
      .max(LIMIT_RULES.memoryBytes.ceiling / MB),
  ),
  Environment: nullish(z.strictObject({ Variables: nullish(z.record(z.string(), z.string())) })),
  VpcConfig: NEUTRAL.VpcConfig.nullish(),
  DeadLetterConfig: NEUTRAL.DeadLetterConfig.nullish(),
  TracingConfig: NEUTRAL.TracingConfig.nullish(),
  Layers: NEUTRAL.Layers.nullish(),
  FileSystemConfigs: NEUTRAL.FileSystemConfigs.nullish(),
  SnapStart: NEUTRAL.SnapStart.nullish(),
  LoggingConfig: NEUTRAL.LoggingConfig.nullish(),
  EphemeralStorage: NEUTRAL.EphemeralStorage.nullish(),
  KMSKeyArn: NEUTRAL.KMSKeyArn.nullish(),
} as const;

/** The zip. */
export const zipFile = z
  .string({ error: "expected the zip itself; code in S3 (S3Bucket, S3Key) and images are not fetched here" })
  .min(1)
  .max(CODE_LENGTH_MAX)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, "expected Base64");

/** The architecture of this machine, or nothing. */
export const architectures = z
  .array(z.string())
  .max(1)
  .nullish()
  .refine(
    (all) => (all?.[0] ?? ARCHITECTURE) === ARCHITECTURE,
    `expected the architecture of this machine, ${ARCHITECTURE}`,
  );

/** How a function is to run, as it was said. */
export type SaidConfiguration = z.infer<z.ZodObject<typeof configurationShape>>;

/**
 * The settings of a version: those of before, with what was said put over them.
 * @param before those of the version before; undefined for a new function, which has AWS's defaults
 */
export function settingsOf(
  said: SaidConfiguration,
  runtime: string,
  before: VersionSettings | undefined,
): VersionSettings {
  const { concurrency } = findRuntime(runtime);
  const limits: Partial<Limits> = { ...before?.limits };
  const timeout = said.Timeout ?? (before === undefined ? TIMEOUT_SECONDS : undefined);
  const memory = said.MemorySize ?? (before === undefined ? MEMORY_MB : undefined);
  // AWS bounds time alone: processor time up to all of it.
  if (timeout !== undefined) Object.assign(limits, { wallMs: timeout * 1000, cpuMs: timeout * 1000 });
  if (memory !== undefined) Object.assign(limits, { memoryBytes: memory * MB });
  if (concurrency !== undefined) Object.assign(limits, { concurrencyMax: concurrency });
  const env =
    said.Environment?.Variables ?? (said.Environment === undefined || said.Environment === null ? before?.env : {});
  return readWith(settings, { ...before, env: env ?? {}, limits: checked(limits) }, "the configuration");
}

function checked(limits: Partial<Limits>): Partial<Limits> {
  const { wallMs, cpuMs } = completeLimits(limits);
  if (cpuMs > LIMIT_RULES.cpuMs.ceiling || wallMs > LIMIT_RULES.wallMs.ceiling) invalid("The Timeout is too long.");
  return limits;
}
