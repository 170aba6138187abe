/** Blobs on a store that speaks S3's protocol, joined; loaded by those who have one. */
import type { DataQuotas } from "../../../core/binding.ts";
import type { Clock } from "../../../core/clock.ts";
import type { BlobBackend } from "../backend.ts";
import { createS3Backend } from "./backend.ts";
import { S3Client, type S3Options } from "./client.ts";
import { Spool } from "./spool.ts";
import { Usage } from "./usage.ts";

/** What it needs of the server. */
export interface S3Parts {
  /** Where bodies wait until they are sent; its own. */
  readonly spoolDirectory: string;
  readonly clock: Clock;
  readonly quotas: DataQuotas;
  /** Hears what went wrong where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Opens it; nothing is asked of the store yet. @throws {Error} when the spool cannot be used */
export function openS3(options: S3Options, { spoolDirectory, clock, quotas, report }: S3Parts): BlobBackend {
  const client = new S3Client(options);
  const usage = new Usage(client, quotas);
  return createS3Backend({ client, usage, clock, report, spool: new Spool(spoolDirectory) });
}
