/** How a version is shown: AWS's `FunctionConfiguration`. */

import { hashOf } from "../../stdx/hash.ts";
import type { Manifest } from "../deploy/records.ts";
import { type LambdaFunction, type Qualified, revisionIdOf } from "./functions.ts";
import { arnOf, LATEST } from "./names.ts";
import type { LambdaParts } from "./operation.ts";
import type { CodeRecord } from "./record.ts";
import { OWN_RUNTIME, PROGRAM_RUNTIME } from "./runtimes.ts";

const MB = 1024 * 1024;

/** The role of who names none: nothing here goes by it. */
export const NO_ROLE = "arn:aws:iam::000000000000:role/isopod";

/** What a version was created with; what is known of it when that was not by this API. */
export function codeRecordOf(parts: LambdaParts, { account, name, record }: LambdaFunction, hash: string): CodeRecord {
  const isOf = ({ version }: CodeRecord) => version === hash;
  const known = record.recent.findLast(isOf) ?? record.versions.findLast(isOf);
  if (known !== undefined) return known;
  const manifest = parts.plane.replica.get("versions", account.project, name, hash)?.value;
  const files = filesIdOf(manifest?.files ?? []);
  const same = [...record.versions, ...record.recent].findLast((each) => each.files === files);
  if (same !== undefined) return { ...same, version: hash };
  const entry = manifest?.entry.replace(/\.[^./]+$/, "") ?? "main";
  return {
    ...{ version: hash, files, role: NO_ROLE },
    ...(manifest?.engine === "process"
      ? { runtime: PROGRAM_RUNTIME, handler: manifest.settings.process?.handler ?? manifest.exportName }
      : { runtime: OWN_RUNTIME, handler: `${entry}.${manifest?.exportName ?? "default"}` }),
    description: manifest?.message ?? "",
    codeSha256: Buffer.from(hash.slice("sha256-".length), "hex").toString("base64"),
    codeBytes: manifest?.files.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0,
    at: manifest?.createdAt ?? 0,
  };
}

/** What files are, whatever they are deployed with. */
export function filesIdOf(files: Manifest["files"]): string {
  return hashOf(JSON.stringify(files.map(({ path, hash }) => [path, hash]).toSorted()));
}

/** The configuration of what a qualifier stands for. */
export function configurationOf(parts: LambdaParts, found: LambdaFunction, qualifiedBy: Qualified, qualifier?: string) {
  const { account, name, record } = found;
  const { version, shown } = qualifiedBy;
  const number = record.versions.find((each) => String(each.number) === shown);
  const code = number ?? codeRecordOf(parts, found, version.version);
  const env = parts.plane.replica.get("versions", account.project, name, version.version)?.value.settings.env ?? {};
  return {
    ...{ FunctionName: name, FunctionArn: arnOf(account, name, qualifier), Version: shown },
    ...{ Runtime: code.runtime, Handler: code.handler, Role: code.role, Description: code.description },
    ...{ CodeSize: code.codeBytes, CodeSha256: code.codeSha256, PackageType: "Zip" },
    ...{ Timeout: Math.ceil(version.limits.wallMs / 1000), MemorySize: Math.round(version.limits.memoryBytes / MB) },
    ...(Object.keys(env).length > 0 && { Environment: { Variables: env } }),
    LastModified: new Date(code.at).toISOString().replace("Z", "+0000"),
    RevisionId: shown === LATEST ? revisionIdOf(found) : version.version.slice("sha256-".length, "sha256-".length + 32),
    ...{ State: "Active", LastUpdateStatus: "Successful", Architectures: [ARCHITECTURE] },
    ...{ TracingConfig: { Mode: "PassThrough" }, SnapStart: { ApplyOn: "None", OptimizationStatus: "Off" } },
  };
}

/** Of the machine, in AWS's words. */
export const ARCHITECTURE = process.arch === "arm64" ? "arm64" : "x86_64";
