/** Functions in a list, and functions and versions that go. */
import { PRODUCTION } from "../../core/deployment.ts";
import { configurationOf } from "./configuration.ts";
import { invalid, LambdaError } from "./failures.ts";
import {
  changeFunctionRecord,
  findFunction,
  functionOf,
  type LambdaFunction,
  mustBeManaged,
  qualified,
} from "./functions.ts";
import { arnOf, LATEST } from "./names.ts";
import { answer, type LambdaCall, noContent, type Operation, ownerOf, pageOf } from "./operation.ts";
import { versionsOf } from "./publishing.ts";

async function listFunctions(call: LambdaCall): Promise<Response> {
  const { parts, caller, url } = call;
  const asked = url.searchParams.get("FunctionVersion");
  if (asked !== null && asked !== "ALL") invalid(`Value ${asked.slice(0, 40)} at 'functionVersion' is not ALL.`);
  const functions = parts.plane.published.deployment.functions.values();
  // One that was deployed under another alias alone has no $LATEST to show.
  const own = [...functions].filter(({ project, aliases }) => project === caller.project && aliases.has(PRODUCTION));
  const names = own.map(({ name }) => name).sort();
  const { page, NextMarker } = pageOf(call, names, (name) => name);
  const Functions = page.flatMap((name) => {
    const found = findFunction(parts, caller, name);
    if (asked === "ALL") return versionsOf(call, found).map(({ shown }) => shown);
    return [configurationOf(parts, found, qualified(found, undefined))];
  });
  return answer({ Functions, NextMarker });
}

async function deleteFunction(call: LambdaCall): Promise<Response> {
  const { found, named } = functionOf(call);
  const asked = call.url.searchParams.get("Qualifier");
  mustBeManaged(found);
  if (named.qualifier !== undefined) await deleteVersion(call, found, named.qualifier);
  else if (asked !== null) {
    invalid(`${LATEST} version cannot be deleted without deleting the function.`);
  } else {
    await call.parts.plane.removals.deleteFunction(ownerOf(call, found.name), undefined);
  }
  return noContent();
}

async function deleteVersion(call: LambdaCall, found: LambdaFunction, qualifier: string): Promise<void> {
  const { name, record, routed } = found;
  const numbered = record.versions.find(({ number }) => String(number) === qualifier);
  // As AWS: what is gone already is deleted.
  if (numbered === undefined) return;
  const { version } = numbered;
  const isAlone = record.versions.every((each) => each === numbered || each.version !== version);
  const alias = [...routed.aliases].find(([alias, { targets }]) => {
    return alias !== PRODUCTION && targets.some((each) => each.version.version === version);
  })?.[0];
  if (alias !== undefined && isAlone) {
    const arn = arnOf(call.caller, name, qualifier);
    throw new LambdaError(
      "ResourceConflictException",
      `Version ${arn} is in use by alias ${alias}; it cannot be deleted.`,
    );
  }
  await changeFunctionRecord(call, name, "lambda-unpublish", (before) => {
    return { ...before, versions: before.versions.filter(({ number }) => number !== numbered.number) };
  });
}

/** The operations. */
export const LISTING_OPERATIONS: readonly Operation[] = [
  { name: "ListFunctions", method: "GET", path: "/2015-03-31/functions", access: "read", run: listFunctions },
  {
    ...{ name: "DeleteFunction", method: "DELETE", path: "/2015-03-31/functions/{FunctionName}", access: "deploy" },
    run: deleteFunction,
  },
];
