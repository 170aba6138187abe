/**
 * Function URLs: a host of the function's own, which is a route of it. Whoever has the address may call, as with every
 * route: `AuthType` is NONE.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { PRODUCTION } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import { LambdaError } from "./failures.ts";
import { changeFunctionRecord, functionOf, type LambdaFunction, mustBeManaged } from "./functions.ts";
import { arnOf, LATEST, notFound } from "./names.ts";
import { answer, type LambdaCall, noContent, type Operation, ownerOf, readJsonBody } from "./operation.ts";

const ID_LENGTH = 24;
const PATH = "/2021-10-31/functions/{FunctionName}/url";

const createBody = z.strictObject({
  AuthType: z.literal("NONE", "expected NONE: who may call a route is said by no key of AWS"),
  Cors: z.strictObject({}, "expected nothing: which web pages may call stands in plans").nullish(),
  InvokeMode: z.enum(["BUFFERED", "RESPONSE_STREAM"]).nullish(),
});
const updateBody = createBody.extend({ AuthType: createBody.shape.AuthType.nullish() });

async function createUrl(call: LambdaCall): Promise<Response> {
  const said = readJsonBody(call, createBody);
  const { found, key, alias } = placeOf(call);
  if (Object.hasOwn(found.record.urls, key)) {
    const message = `Failed to create function url config for [functionArn = ${arnOf(call.caller, found.name)}]. Function url config already exists.`;
    throw new LambdaError("ResourceConflictException", message);
  }
  const host = hostOf(call, found, key);
  await changeRoutes(call, found, (routes) => [...routes, { route: routeOf(host), alias }]);
  const at = call.parts.wallNow();
  const url = { host, invokeMode: said.InvokeMode ?? "BUFFERED", createdAt: at, updatedAt: at } as const;
  const changed = await changeFunctionRecord(call, found.name, "lambda-url", (before) => {
    return { ...before, urls: { ...before.urls, [key]: url } };
  });
  return answer(shown(call, changed, key), 201);
}

async function updateUrl(call: LambdaCall): Promise<Response> {
  const said = readJsonBody(call, updateBody);
  const { found, key } = placeOf(call);
  mustHave(call, found, key);
  const changed = await changeFunctionRecord(call, found.name, "lambda-url", (before) => {
    const known = before.urls[key];
    if (known === undefined) return before;
    const own = { ...known, invokeMode: said.InvokeMode ?? known.invokeMode, updatedAt: call.parts.wallNow() };
    return { ...before, urls: { ...before.urls, [key]: own } };
  });
  return answer(shown(call, changed, key));
}

async function deleteUrl(call: LambdaCall): Promise<Response> {
  const { found, key } = placeOf(call);
  const { host } = mustHave(call, found, key);
  await changeRoutes(call, found, (routes) => routes.filter(({ route }) => route !== routeOf(host)));
  await changeFunctionRecord(call, found.name, "lambda-url-delete", (before) => {
    const { [key]: _, ...urls } = before.urls;
    return { ...before, urls };
  });
  return noContent();
}

type Routes = readonly { readonly route: string; readonly alias: string }[];

/** Changes the routes of a function, unless somebody else does. @throws {LambdaError} `ResourceConflictException` */
async function changeRoutes(
  call: LambdaCall,
  found: LambdaFunction,
  change: (routes: Routes) => Routes,
): Promise<void> {
  const { value, revision } = mustBeManaged(found);
  try {
    await call.parts.plane.deployer.setRoutes(ownerOf(call, found.name), [...change(value.routes)], revision);
  } catch (error) {
    if (!(error instanceof IsopodError) || error.code !== "changed_meanwhile") throw error;
    throw new LambdaError("ResourceConflictException", `An update is in progress for "${found.name}".`);
  }
}

/** The function, and the alias that its URL leads to: URLs are of `$LATEST` or of aliases. */
function placeOf(call: LambdaCall) {
  const { found, named } = functionOf(call);
  mustBeManaged(found);
  const { qualifier } = named;
  const alias = qualifier ?? PRODUCTION;
  if (!found.routed.aliases.has(alias)) throw notFound(call.caller, found.name, qualifier);
  return { found, alias, key: qualifier ?? LATEST };
}

function mustHave({ caller }: LambdaCall, { record, name }: LambdaFunction, key: string) {
  const url = Object.hasOwn(record.urls, key) ? record.urls[key] : undefined;
  if (url !== undefined) return url;
  const message = `The resource you requested does not exist: a URL of ${arnOf(caller, name, key)}.`;
  throw new LambdaError("ResourceNotFoundException", message);
}

function hostOf({ parts, caller }: LambdaCall, { name }: LambdaFunction, key: string): string {
  const [domain = "localhost"] = parts.plane.published.file.previewDomains;
  const digest = createHash("sha256")
    .update(JSON.stringify([caller.project, name, key]))
    .digest("hex");
  return `${digest.slice(0, ID_LENGTH)}.lambda-url.${domain}`;
}

function routeOf(host: string): string {
  return `ANY ${host}/*`;
}

function shown(call: LambdaCall, found: LambdaFunction, key: string) {
  const { host, invokeMode, createdAt, updatedAt } = mustHave(call, found, key);
  const { protocol, port } = new URL(call.parts.baseUrl());
  return {
    FunctionUrl: `${protocol}//${host}${port === "" ? "" : `:${port}`}/`,
    FunctionArn: arnOf(call.caller, found.name, key === LATEST ? undefined : key),
    ...{ AuthType: "NONE", InvokeMode: invokeMode },
    ...{ CreationTime: new Date(createdAt).toISOString(), LastModifiedTime: new Date(updatedAt).toISOString() },
  };
}

/** The operations. */
export const URL_OPERATIONS: readonly Operation[] = [
  { name: "CreateFunctionUrlConfig", method: "POST", path: PATH, access: "deploy", run: createUrl },
  { name: "UpdateFunctionUrlConfig", method: "PUT", path: PATH, access: "deploy", run: updateUrl },
  { name: "DeleteFunctionUrlConfig", method: "DELETE", path: PATH, access: "deploy", run: deleteUrl },
  {
    ...{ name: "GetFunctionUrlConfig", method: "GET", path: PATH, access: "read" },
    run: async (call) => {
      const { found, key } = placeOf(call);
      return answer(shown(call, found, key));
    },
  },
];
