/** Blobs on a store that speaks S3's protocol, joined; loaded by those who have one. */
import type { DataQuotas } from "../../../core/binding.ts";
import type { BlobBackend } from "../backend.ts";
import { createS3Backend } from "./backend.ts";
import { S3Client, type S3Options } from "./client.ts";
import { Usage } from "./usage.ts";

/** Opens it; nothing is asked of the store yet. */
export function openS3(options: S3Options, quotas: DataQuotas): BlobBackend {
  const client = new S3Client(options);
  return createS3Backend(client, new Usage(client, quotas));
}
