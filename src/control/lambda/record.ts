/**
 * What the Lambda API keeps of a function beside its pointer and its versions: the numbers of published versions, what
 * they were created with, and what AWS has and Isopod has no other word for. One record a function.
 */
import { z } from "zod";
import { hash, instant } from "../fields.ts";

/** What a version was created with, for it to be shown again. */
export const codeRecord = z.object({
  /** The version that it is of. */
  version: hash,
  /** Of its files: what another way has given other settings has these still. */
  files: hash,
  runtime: z.string(),
  handler: z.string(),
  role: z.string(),
  description: z.string(),
  /** Base64 of the SHA-256 of the zip. */
  codeSha256: z.string(),
  /** Of the zip. */
  codeBytes: z.number(),
  at: instant,
});

/** How asynchronous invocations of a qualifier are tried again. */
export const retryRecord = z.object({
  /** Attempts after the first. */
  retries: z.number().int().min(0).max(2).optional(),
  ageSeconds: z.number().int().min(60).max(21_600).optional(),
  at: instant,
});

/** A function's URL. */
export const urlRecord = z.object({
  /** The host. */
  host: z.string(),
  invokeMode: z.enum(["BUFFERED", "RESPONSE_STREAM"]),
  createdAt: instant,
  updatedAt: instant,
});

/** The record. */
export const lambdaRecord = z.object({
  /** Of what this API has deployed last, the newest at the end. */
  recent: z.array(codeRecord).default([]),
  /** In the order of their numbers. */
  versions: z.array(codeRecord.extend({ number: z.number().int().min(1) })).default([]),
  /** Numbers are never given twice. */
  nextNumber: z.number().int().min(1).default(1),
  /** Descriptions of aliases. */
  aliases: z.record(z.string(), z.string()).default({}),
  tags: z.record(z.string(), z.string()).default({}),
  /** The most invocations at a time. */
  concurrency: z.number().int().min(0).optional(),
  /** By qualifier. */
  retries: z.record(z.string(), retryRecord).default({}),
  urls: z.record(z.string(), urlRecord).default({}),
});

/** What a version was created with. */
export type CodeRecord = z.infer<typeof codeRecord>;
/** A published version. */
export type NumberedVersion = LambdaRecord["versions"][number];
/** The record of a function. */
export type LambdaRecord = z.infer<typeof lambdaRecord>;

/** Deploys that are remembered though they have no number. */
const RECENT_MAX = 20;

/** `record`, with what a version was created with. */
export function withCode(record: LambdaRecord, code: CodeRecord): LambdaRecord {
  const others = record.recent.filter(({ version }) => version !== code.version);
  return { ...record, recent: [...others, code].slice(-RECENT_MAX) };
}

/** The record of a function that has none. */
export const EMPTY_RECORD: LambdaRecord = lambdaRecord.parse({});
