/** How much a project may have of what is deployed: each with its unit, default, and what a project is told at its end. */
import { IsopodError } from "../../core/errors.ts";

/** What a project may have. */
export interface Quotas {
  readonly functionsMax: number;
  /** Of one function. */
  readonly versionsMax: number;
  /** Of one version: all its files together. */
  readonly versionBytesMax: number;
  readonly secretsMax: number;
  readonly keysMax: number;
  /** Of one function. */
  readonly routesMax: number;
  /** All that its KV namespaces hold together. */
  readonly kvBytesMax: number;
  /** All that its blobs hold together, parts of uploads included. */
  readonly blobBytesMax: number;
  /** All messages that wait in its queues. */
  readonly queueBytesMax: number;
  /** What its SQL databases may grow to together: each counts with its largest size. */
  readonly sqlBytesMax: number;
}

const MB = 1024 * 1024;

/** What a project has that sets nothing. */
export const DEFAULT_QUOTAS: Quotas = {
  functionsMax: 10_000,
  versionsMax: 1000,
  versionBytesMax: 16 * MB,
  secretsMax: 1000,
  keysMax: 1000,
  routesMax: 100,
  kvBytesMax: 1024 * MB,
  blobBytesMax: 10 * 1024 * MB,
  queueBytesMax: 1024 * MB,
  sqlBytesMax: 64 * 1024 * MB,
};

/** The names of all quotas. */
export const QUOTA_NAMES = Object.keys(DEFAULT_QUOTAS) as (keyof Quotas)[];

/** The quotas of what bindings keep, by their types. */
export const DATA_QUOTAS: Readonly<Record<string, keyof Quotas>> = {
  kv: "kvBytesMax",
  blob: "blobBytesMax",
  queue: "queueBytesMax",
  sql: "sqlBytesMax",
};

/** Refuses what would make it more than the quota. @throws {IsopodError} `quota_exceeded` */
export function checkQuota(project: string, quotas: Partial<Quotas>, name: keyof Quotas, wanted: number): void {
  const value = quotas[name] ?? DEFAULT_QUOTAS[name];
  if (wanted <= value) return;
  throw new IsopodError("quota_exceeded", {
    message: `Project "${project}" may have ${name} = ${value}, and this would make it ${wanted}.`,
    limit: { name, value },
  });
}
