/** From a zip to a deployed version, and from there to what is shown of it. */
import { createHash } from "node:crypto";
import { PRODUCTION } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Expected } from "../deploy/pointers.ts";
import type { Manifest, VersionSettings } from "../deploy/records.ts";
import type { DeployedFile } from "../deploy/version_files.ts";
import { DEFAULT_QUOTAS } from "../tenancy/quotas.ts";
import { filesIdOf } from "./configuration.ts";
import { LambdaError } from "./failures.ts";
import { changeFunctionRecord, type LambdaFunction } from "./functions.ts";
import { type LambdaCall, ownerOf } from "./operation.ts";
import { type CodeRecord, type LambdaRecord, withCode } from "./record.ts";
import { codeOfRuntime, type RuntimeCode } from "./runtimes.ts";
import { readZip } from "./zip_files.ts";

/** Files of a version, less those that are added to them. */
const FILES_MAX = 990;

/** A zip that has been read. */
export interface ZipCode {
  readonly files: readonly DeployedFile[];
  readonly codeSha256: string;
  readonly codeBytes: number;
}

/** Reads a zip that came in Base64. @throws {LambdaError} `InvalidParameterValueException` */
export async function readCode({ parts, caller }: LambdaCall, base64: string): Promise<ZipCode> {
  const zip = Buffer.from(base64, "base64");
  const quotas = parts.plane.replica.get("projects", caller.project)?.value.quotas;
  const bytesMax = quotas?.versionBytesMax ?? DEFAULT_QUOTAS.versionBytesMax;
  const files = await readZip(zip, { filesMax: FILES_MAX, bytesMax });
  return { files, codeSha256: createHash("sha256").update(zip).digest("base64"), codeBytes: zip.length };
}

/** A version that is to be `$LATEST`. */
export interface NewCode extends Omit<CodeRecord, "version" | "at" | "files"> {
  readonly files: readonly DeployedFile[];
  readonly assets?: Manifest["assets"] | undefined;
  readonly settings: VersionSettings;
  /** What is run of the files, where that stays as it is. */
  readonly kept?: Omit<RuntimeCode, "files" | "process"> | undefined;
}

/**
 * Deploys it, and writes down what it was made with.
 * @param change what else changes of the function's record
 * @throws {LambdaError} `ResourceConflictException` when the function is being changed by somebody else
 */
export async function deployCode(
  call: LambdaCall,
  name: string,
  { files, assets, settings, kept, ...shown }: NewCode,
  expected: Expected,
  change: (record: LambdaRecord) => LambdaRecord = (record) => record,
): Promise<LambdaFunction> {
  const { plane, wallNow, handlerSources } = call.parts;
  const { process, ...code } =
    kept === undefined
      ? codeOfRuntime(shown.runtime, { name, files, handler: shown.handler, handlerSources })
      : { ...kept, files, process: settings.process };
  const served = assets?.map(({ path, hash }) => ({ path, hash }));
  const input = { ...code, settings: { ...settings, process }, alias: PRODUCTION, ...(served && { assets: served }) };
  const { version } = await plane.deployer.deploy(ownerOf(call, name), input, expected).catch(asConflict(name));
  const deployed = plane.replica.get("versions", call.caller.project, name, version)?.value.files ?? [];
  return changeFunctionRecord(call, name, "lambda-code", (before) => {
    return withCode(change(before), { ...shown, version, files: filesIdOf(deployed), at: wallNow() });
  });
}

function asConflict(name: string) {
  return (error: unknown): never => {
    if (!(error instanceof IsopodError) || error.code !== "changed_meanwhile") throw error;
    const message = `The operation cannot be performed at this time. An update is in progress for "${name}".`;
    throw new LambdaError("ResourceConflictException", message);
  };
}
