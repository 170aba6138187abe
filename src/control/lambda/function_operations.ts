/** Functions: made of a zip, changed, shown, listed, deleted. */
import { z } from "zod";
import type { Manifest } from "../deploy/records.ts";
import { namedFile } from "../deploy/version_files.ts";
import { codeRecordOf, configurationOf, NO_ROLE } from "./configuration.ts";
import { invalid, LambdaError } from "./failures.ts";
import { architectures, configurationShape, settingsOf, tags, zipFile } from "./function_body.ts";
import { deployCode, type NewCode, readCode } from "./function_code.ts";
import {
  changeFunctionRecord,
  checkRevision,
  functionOf,
  type LambdaFunction,
  mustBeManaged,
  qualified,
} from "./functions.ts";
import { checkNewName, readFunctionName } from "./names.ts";
import { answer, type LambdaCall, type Operation, readJsonBody } from "./operation.ts";
import { publish } from "./publishing.ts";
import { EMPTY_RECORD, withCode } from "./record.ts";
import { withoutOwnFiles } from "./runtimes.ts";

const CODE_BODY_BYTES_MAX = 20 * 1024 * 1024;

const createBody = z.strictObject({
  ...configurationShape,
  FunctionName: z.string(),
  Runtime: z.string().max(64),
  Handler: z.string().min(1).max(128),
  Code: z.strictObject({ ZipFile: zipFile }),
  PackageType: z.literal("Zip", "images are not offered here: expected Zip").nullish(),
  Publish: z.boolean().nullish(),
  Tags: tags.nullish(),
  Architectures: architectures,
});
const codeBody = z.strictObject({
  ZipFile: zipFile,
  Publish: z.boolean().nullish(),
  DryRun: z.boolean().nullish(),
  RevisionId: z.string().max(100).nullish(),
  Architectures: architectures,
});
const configurationBody = z.strictObject({ ...configurationShape, RevisionId: z.string().max(100).nullish() });

async function createFunction(call: LambdaCall): Promise<Response> {
  const said = readJsonBody(call, createBody);
  const { name, qualifier } = readFunctionName(said.FunctionName, null, call.caller);
  if (qualifier !== undefined) invalid("Expected the name of a function without a qualifier.");
  checkNewName("function", name);
  if (call.parts.plane.published.deployment.functions.has(`${call.caller.project}/${name}`)) {
    throw new LambdaError("ResourceConflictException", `Function already exist: ${name}`);
  }
  const { Runtime: runtime, Handler: handler } = said;
  const code: NewCode = {
    ...{ runtime, handler, role: said.Role ?? NO_ROLE, description: said.Description ?? "" },
    settings: settingsOf(said, runtime, undefined),
    ...(await readCode(call, said.Code.ZipFile)),
  };
  const found = await deployCode(call, name, code, 0, () => ({ ...EMPTY_RECORD, tags: said.Tags ?? {} }));
  return answerChange(call, found, said.Publish === true, 201);
}

async function updateCode(call: LambdaCall): Promise<Response> {
  const said = readJsonBody(call, codeBody);
  const { found } = functionOf(call);
  const { revision } = mustBeManaged(found);
  checkRevision(found, said.RevisionId ?? undefined);
  const { code, manifest } = latestOf(call, found);
  const zip = await readCode(call, said.ZipFile);
  if (said.DryRun === true) return answerChange(call, found, false);
  const { runtime, handler, role, description } = code;
  const next = { ...{ runtime, handler, role, description }, ...zip };
  const changed = await deployCode(
    call,
    found.name,
    { ...next, settings: manifest.settings, assets: manifest.assets },
    said.RevisionId === undefined || said.RevisionId === null ? undefined : revision,
  );
  return answerChange(call, changed, said.Publish === true);
}

async function updateConfiguration(call: LambdaCall): Promise<Response> {
  const said = readJsonBody(call, configurationBody);
  const { found } = functionOf(call);
  const { revision } = mustBeManaged(found);
  checkRevision(found, said.RevisionId ?? undefined);
  const { code, manifest } = latestOf(call, found);
  const next = {
    ...code,
    ...{ runtime: said.Runtime ?? code.runtime, handler: said.Handler ?? code.handler },
    ...{ role: said.Role ?? code.role, description: said.Description ?? code.description },
  };
  const runs = [said.Runtime, said.Handler, said.Timeout, said.MemorySize, said.Environment];
  if (!runs.some(isSaid)) {
    const changed = await changeFunctionRecord(call, found.name, "lambda-configuration", (before) =>
      withCode(before, { ...next, at: call.parts.wallNow() }),
    );
    return answerChange(call, changed, false);
  }
  const { version: _version, at: _at, files: _files, ...shown } = next;
  const settings = settingsOf(said, next.runtime, manifest.settings);
  const runsAnother = isSaid(said.Runtime) || isSaid(said.Handler);
  const files = (runsAnother ? withoutOwnFiles(manifest.files) : manifest.files).map(namedFile);
  const { engine, entry, exportName, assets } = manifest;
  const kept = runsAnother ? undefined : { engine, entry, exportName };
  const changed = await deployCode(
    call,
    found.name,
    { ...shown, files, settings, assets, kept },
    said.RevisionId === undefined || said.RevisionId === null ? undefined : revision,
  );
  return answerChange(call, changed, false);
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** What `$LATEST` stands for. */
function latestOf(call: LambdaCall, found: LambdaFunction) {
  const { version } = qualified(found, undefined);
  const { replica } = call.parts.plane;
  const manifest: Manifest | undefined = replica.get(
    "versions",
    call.caller.project,
    found.name,
    version.version,
  )?.value;
  if (manifest === undefined) throw new LambdaError("ServiceException", "The version is not known yet; try again.");
  return { code: codeRecordOf(call.parts, found, version.version), manifest };
}

async function answerChange(call: LambdaCall, found: LambdaFunction, publishes: boolean, status = 200) {
  if (!publishes) return answer(configurationOf(call.parts, found, qualified(found, undefined)), status);
  const { found: published, number } = await publish(call, found, undefined);
  return answer(configurationOf(call.parts, published, qualified(published, number), number), status);
}

async function getFunction(call: LambdaCall): Promise<Response> {
  const { found, named } = functionOf(call);
  const target = qualified(found, named.qualifier);
  const { tags: own, concurrency } = found.record;
  const { project } = call.caller;
  const location = `/v1/projects/${project}/functions/${found.name}/versions/${target.version.version}`;
  return answer({
    Configuration: configurationOf(call.parts, found, target, named.qualifier),
    Code: { RepositoryType: "isopod", Location: new URL(location, call.url).href },
    ...(Object.keys(own).length > 0 && { Tags: own }),
    ...(concurrency !== undefined && { Concurrency: { ReservedConcurrentExecutions: concurrency } }),
  });
}

async function getConfiguration(call: LambdaCall): Promise<Response> {
  const { found, named } = functionOf(call);
  return answer(configurationOf(call.parts, found, qualified(found, named.qualifier), named.qualifier));
}

const ONE = "/2015-03-31/functions/{FunctionName}";

/** The operations. */
export const FUNCTION_OPERATIONS: readonly Operation[] = [
  {
    ...{ name: "CreateFunction", method: "POST", path: "/2015-03-31/functions", access: "deploy" },
    ...{ bodyBytesMax: CODE_BODY_BYTES_MAX, run: createFunction },
  },
  {
    ...{ name: "UpdateFunctionCode", method: "PUT", path: `${ONE}/code`, access: "deploy" },
    ...{ bodyBytesMax: CODE_BODY_BYTES_MAX, run: updateCode },
  },
  {
    ...{ name: "UpdateFunctionConfiguration", method: "PUT", path: `${ONE}/configuration`, access: "deploy" },
    run: updateConfiguration,
  },
  { name: "GetFunction", method: "GET", path: ONE, access: "read", run: getFunction },
  {
    ...{ name: "GetFunctionConfiguration", method: "GET", path: `${ONE}/configuration`, access: "read" },
    run: getConfiguration,
  },
];
