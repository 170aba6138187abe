/** The table `[blobs]`: which store keeps the blobs, when it is not the data directory. */
import { resolve } from "node:path";
import type { z } from "zod";
import type { blobsSchema } from "./blobs_schema.ts";
import type { BlobStoreConfig } from "./config.ts";
import { readSecretFile, type SecretSource } from "./secrets.ts";

/** Reads the table. @throws {ConfigError} for the first mistake */
export function readBlobs(
  raw: z.infer<typeof blobsSchema> | undefined,
  { report, env, folder, secrets }: SecretSource,
): BlobStoreConfig | undefined {
  if (raw === undefined) return undefined;
  const fail = (key: string, why: string): never => report.fail(["blobs", key], why);
  const fromEnv = (key: "access_key_id_env" | "secret_access_key_env") => {
    const name = raw[key];
    if (name === undefined) return undefined;
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    return value || fail(key, `the server's environment has no "${name}", or it is empty`);
  };
  const { secret_access_key_file: file } = raw;
  const unread = secrets === "unread";
  const secret = unread
    ? ""
    : (fromEnv("secret_access_key_env") ?? (file === undefined ? undefined : readSecretFile(resolve(folder, file))));
  if (file !== undefined && secret === undefined)
    fail("secret_access_key_file", `no text of up to 64 KiB can be read from "${file}"`);
  const id = unread ? "" : (raw.access_key_id ?? fromEnv("access_key_id_env"));
  return {
    ...{ endpoint: raw.endpoint, bucket: raw.bucket, region: raw.region ?? "us-east-1", prefix: raw.prefix ?? "" },
    pathStyle: raw.path_style ?? true,
    accessKeyId: id ?? fail("endpoint", "expected access_key_id or access_key_id_env beside it"),
    secretAccessKey: secret ?? fail("endpoint", "expected secret_access_key_env or secret_access_key_file beside it"),
  };
}
