/** Aliases of published versions, with weights. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { type AliasTargets, PRODUCTION } from "../../core/deployment.ts";
import type { AliasInput } from "../deploy/alias_moves.ts";
import { invalid, LambdaError } from "./failures.ts";
import { changeFunctionRecord, functionOf, type LambdaFunction, mustBeManaged, shownVersion } from "./functions.ts";
import { arnOf, checkNewName, LATEST } from "./names.ts";
import { answer, type LambdaCall, noContent, type Operation, ownerOf, pageOf, readJsonBody } from "./operation.ts";

/** What all weights of an alias add up to. */
const WEIGHT = 1_000_000;
const routing = z.strictObject({ AdditionalVersionWeights: z.record(z.string(), z.number().min(0).max(1)).nullish() });
const createBody = z.strictObject({
  Name: z.string(),
  FunctionVersion: z.string(),
  Description: z.string().max(256).nullish(),
  RoutingConfig: routing.nullish(),
});
const updateBody = createBody
  .omit({ Name: true })
  .extend({ FunctionVersion: z.string().nullish(), RevisionId: z.string().max(100).nullish() });

async function createAlias(call: LambdaCall): Promise<Response> {
  const said = readJsonBody(call, createBody);
  const { found } = functionOf(call);
  mustBeManaged(found);
  const { Name: alias } = said;
  if (alias === PRODUCTION) invalid(`The alias "${PRODUCTION}" is ${LATEST} here; expected another name.`);
  if (/^\d+$/.test(alias)) invalid(`Cannot name an alias "${alias.slice(0, 40)}": numbers are versions.`);
  checkNewName("alias", alias);
  if (found.routed.aliases.has(alias)) {
    throw new LambdaError(
      "ResourceConflictException",
      `Alias already exists: ${arnOf(call.caller, found.name, alias)}`,
    );
  }
  const targets = targetsOf(found, said.FunctionVersion, said.RoutingConfig?.AdditionalVersionWeights ?? {});
  return answer(await setAlias(call, found, alias, { targets }, said.Description ?? ""), 201);
}

async function updateAlias(call: LambdaCall): Promise<Response> {
  const said = readJsonBody(call, updateBody);
  const { found, alias, known } = aliasOf(call);
  mustBeManaged(found);
  const before = shown(found, alias, known);
  if ((said.RevisionId ?? before.RevisionId) !== before.RevisionId) {
    throw new LambdaError(
      "PreconditionFailedException",
      "The Revision Id provided does not match the latest Revision Id.",
    );
  }
  const weights = said.RoutingConfig?.AdditionalVersionWeights;
  const main = said.FunctionVersion ?? before.FunctionVersion;
  const others = said.RoutingConfig ? (weights ?? {}) : (before.RoutingConfig?.AdditionalVersionWeights ?? {});
  const { sticky } = known;
  const input = { targets: targetsOf(found, main, others), ...(sticky && { sticky }) } as AliasInput;
  return answer(await setAlias(call, found, alias, input, said.Description ?? before.Description));
}

/** The versions of numbers, by their weights. @throws {LambdaError} `InvalidParameterValueException` */
function targetsOf({ record, name }: LambdaFunction, main: string, others: Readonly<Record<string, number>>) {
  const entries = Object.entries(others);
  if (entries.length > 1) invalid("An alias stands for two versions at the most: expected one additional weight.");
  const rest = entries.reduce((sum, [, weight]) => sum + weight, 0);
  return [[main, 1 - rest] as const, ...entries].map(([number, share]) => {
    if (number === LATEST) {
      invalid(`An alias stands for published versions here, and ${LATEST} is none: publish it first.`);
    }
    const found = record.versions.find((each) => String(each.number) === number);
    if (found !== undefined) return { version: found.version, weight: Math.round(share * WEIGHT) };
    throw new LambdaError("ResourceNotFoundException", `Function "${name}" has no version ${number.slice(0, 40)}.`);
  });
}

async function setAlias(
  call: LambdaCall,
  found: LambdaFunction,
  alias: string,
  input: AliasInput,
  description: string,
) {
  await call.parts.plane.aliases.set(ownerOf(call, found.name), alias, input, undefined);
  const changed = await changeFunctionRecord(call, found.name, "lambda-alias", (before) => {
    return { ...before, aliases: { ...before.aliases, [alias]: description } };
  });
  return shown(changed, alias, changed.routed.aliases.get(alias) ?? { targets: [], sticky: undefined });
}

function aliasOf(call: LambdaCall) {
  const { found } = functionOf(call);
  const alias = call.path["Name"] ?? "";
  const known = alias === PRODUCTION ? undefined : found.routed.aliases.get(alias);
  if (known !== undefined) return { found, alias, known };
  const arn = arnOf(call.caller, found.name, alias.slice(0, 128));
  throw new LambdaError("ResourceNotFoundException", `Cannot find alias arn: ${arn}`);
}

function shown({ account, name, record }: LambdaFunction, alias: string, { targets }: AliasTargets) {
  const total = targets.reduce((sum, { weight }) => sum + weight, 0) || 1;
  const [main, ...others] = targets;
  const numberOf = (target: typeof main) => shownVersion(record, target?.version.version ?? "");
  const weights = others.map((each) => [numberOf(each), each.weight / total] as const);
  const content = JSON.stringify([
    targets.map(({ version, weight }) => [version.version, weight]),
    record.aliases[alias],
  ]);
  return {
    ...{ AliasArn: arnOf(account, name, alias), Name: alias, FunctionVersion: numberOf(main) },
    Description: record.aliases[alias] ?? "",
    ...(weights.length > 0 && { RoutingConfig: { AdditionalVersionWeights: Object.fromEntries(weights) } }),
    RevisionId: createHash("sha256").update(content).digest("hex").slice(0, 32),
  };
}

async function listAliases(call: LambdaCall): Promise<Response> {
  const { found } = functionOf(call);
  const asked = call.url.searchParams.get("FunctionVersion");
  const all = [...found.routed.aliases].filter(([alias]) => alias !== PRODUCTION);
  const aliases = all.map(([alias, known]) => shown(found, alias, known)).sort((a, b) => (a.Name < b.Name ? -1 : 1));
  const wanted = aliases.filter(({ FunctionVersion, RoutingConfig }) => {
    return asked === null || FunctionVersion === asked || asked in (RoutingConfig?.AdditionalVersionWeights ?? {});
  });
  const { page, NextMarker } = pageOf(call, wanted, ({ Name }) => Name);
  return answer({ Aliases: page, NextMarker });
}

async function deleteAlias(call: LambdaCall): Promise<Response> {
  const { found } = functionOf(call);
  const alias = call.path["Name"] ?? "";
  mustBeManaged(found);
  if (alias === PRODUCTION) invalid(`The alias "${PRODUCTION}" is ${LATEST} here, and goes with its function.`);
  if (!found.routed.aliases.has(alias)) return noContent();
  await call.parts.plane.aliases.remove(ownerOf(call, found.name), alias, undefined);
  await changeFunctionRecord(call, found.name, "lambda-alias-delete", (before) => {
    const { [alias]: _, ...aliases } = before.aliases;
    return { ...before, aliases };
  });
  return noContent();
}

const ALL = "/2015-03-31/functions/{FunctionName}/aliases";
const ONE = `${ALL}/{Name}`;

/** The operations. */
export const ALIAS_OPERATIONS: readonly Operation[] = [
  { name: "CreateAlias", method: "POST", path: ALL, access: "deploy", run: createAlias },
  { name: "ListAliases", method: "GET", path: ALL, access: "read", run: listAliases },
  { name: "UpdateAlias", method: "PUT", path: ONE, access: "deploy", run: updateAlias },
  { name: "DeleteAlias", method: "DELETE", path: ONE, access: "deploy", run: deleteAlias },
  {
    ...{ name: "GetAlias", method: "GET", path: ONE, access: "read" },
    run: async (call) => {
      const { found, alias, known } = aliasOf(call);
      return answer(shown(found, alias, known));
    },
  },
];
