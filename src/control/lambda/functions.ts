/**
 * Functions as the Lambda API knows them: what is deployed, with the numbers, descriptions and the rest that is kept beside
 * it. Functions that were not created by this API are there as well, with what is known of them.
 */
import { PRODUCTION, type RoutedFunction } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import type { FunctionVersion } from "../../core/function.ts";
import type { Expected } from "../deploy/pointers.ts";
import { readJson } from "../deploy/records.ts";
import { changeRecord } from "../deploy/stored_records.ts";
import type { Known } from "../publish/replica.ts";
import { LambdaError } from "./failures.ts";
import { type Account, type FunctionName, LATEST, notFound, readFunctionName } from "./names.ts";
import { type LambdaCall, type LambdaParts, ownerOf } from "./operation.ts";
import { EMPTY_RECORD, type LambdaRecord, lambdaRecord } from "./record.ts";

/** A function. */
export interface LambdaFunction {
  readonly account: Account;
  readonly name: string;
  readonly routed: RoutedFunction;
  /** Undefined for a function of the configuration. */
  readonly pointer: Known<"functions"> | undefined;
  readonly record: LambdaRecord;
  /** Of the record; 0 when there is none. */
  readonly revision: number;
}

/** What a qualifier stands for. */
export interface Qualified {
  /** An alias of the function, or undefined for a single version. */
  readonly alias: string | undefined;
  /** The version, of an alias the one with the largest share. */
  readonly version: FunctionVersion;
  /** What AWS calls that version. */
  readonly shown: string;
}

/** The function that a call is about, and how it names it. @throws {LambdaError} `ResourceNotFoundException` */
export function functionOf(call: LambdaCall): { found: LambdaFunction; named: FunctionName } {
  const reference = call.path["FunctionName"] ?? "";
  const named = readFunctionName(reference, call.url.searchParams.get("Qualifier"), call.caller);
  return { found: findFunction(call.parts, call.caller, named.name), named };
}

/** @throws {LambdaError} `ResourceNotFoundException` */
export function findFunction({ plane }: LambdaParts, account: Account, name: string): LambdaFunction {
  const { project } = account;
  const routed = plane.published.deployment.functions.get(`${project}/${name}`);
  if (routed === undefined) throw notFound(account, name);
  const known = plane.replica.get("lambda", project, name);
  return {
    ...{ account, name, routed },
    pointer: plane.published.isOfFile(project, name) ? undefined : plane.replica.get("functions", project, name),
    ...{ record: known?.value ?? EMPTY_RECORD, revision: known?.revision ?? 0 },
  };
}

/** What a qualifier of a function stands for. @throws {LambdaError} `ResourceNotFoundException` */
export function qualified({ account, name, routed, record }: LambdaFunction, qualifier: string | undefined): Qualified {
  const alias = qualifier ?? PRODUCTION;
  const targets = routed.aliases.get(alias)?.targets;
  if (targets !== undefined) {
    const [main] = targets.toSorted((first, second) => second.weight - first.weight);
    if (main === undefined) throw notFound(account, name, qualifier);
    const { version } = main;
    return { alias, version, shown: qualifier === undefined ? LATEST : shownVersion(record, version.version) };
  }
  if (qualifier === undefined) throw notFound(account, name);
  const version = findVersion(routed, record, qualifier);
  if (version === undefined) throw notFound(account, name, qualifier);
  return { alias: undefined, version, shown: shownVersion(record, version.version) };
}

function findVersion(routed: RoutedFunction, record: LambdaRecord, qualifier: string): FunctionVersion | undefined {
  const isNumber = /^\d{1,9}$/.test(qualifier);
  const hash = isNumber ? record.versions.find(({ number }) => String(number) === qualifier)?.version : qualifier;
  if (hash === undefined) return undefined;
  try {
    return routed.find(hash);
  } catch (error) {
    if (error instanceof IsopodError) return undefined;
    throw error;
  }
}

/** The number of a version, the last one where it has several; its hash when it was never published. */
export function shownVersion({ versions }: LambdaRecord, hash: string): string {
  const number = versions.findLast(({ version }) => version === hash)?.number;
  return number === undefined ? hash : String(number);
}

/** What changes with each change of the function. */
export function revisionIdOf({ pointer, revision }: LambdaFunction): string {
  return `${pointer?.revision ?? 0}-${revision}`;
}

/** @throws {LambdaError} `PreconditionFailedException` */
export function checkRevision(found: LambdaFunction, asked: string | undefined): void {
  if (asked === undefined || asked === revisionIdOf(found)) return;
  throw new LambdaError(
    "PreconditionFailedException",
    "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
  );
}

/** @throws {LambdaError} `ResourceConflictException` for a function of the configuration, which stands there alone */
export function mustBeManaged(found: LambdaFunction): Known<"functions"> {
  if (found.pointer !== undefined) return found.pointer;
  const message = `Cannot change "${found.name}": it is a function of the configuration file.`;
  throw new LambdaError("ResourceConflictException", message);
}

/** Changes what is kept beside a function, and waits until this server knows it. */
export async function changeFunctionRecord(
  call: LambdaCall,
  name: string,
  action: string,
  change: (before: LambdaRecord) => LambdaRecord,
  expected?: Expected,
): Promise<LambdaFunction> {
  const { plane } = call.parts;
  const { project, by } = ownerOf(call, name);
  const key = ["lambda", project, name];
  const revision = await changeRecord(plane.store, key, expected, `function "${name}"`, (before) => {
    return change(before === undefined ? EMPTY_RECORD : lambdaRecord.parse(readJson(before)));
  });
  await Promise.all([plane.audit.add({ who: by, action, project, what: name }), plane.replica.reached(revision)]);
  return findFunction(call.parts, call.caller, name);
}
