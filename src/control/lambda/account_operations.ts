/** Tags of functions, and what an account may have and has. */
import { z } from "zod";
import { DEFAULT_QUOTAS } from "../tenancy/quotas.ts";
import { invalid } from "./failures.ts";
import { tags } from "./function_body.ts";
import { changeFunctionRecord, findFunction, functionOf, mustBeManaged } from "./functions.ts";
import { readFunctionName } from "./names.ts";
import { answer, type LambdaCall, noContent, type Operation, readJsonBody, readWith } from "./operation.ts";

const TAGS = "/2017-03-31/tags/{Resource}";
/** What the server admits at a time. */
const CONCURRENT_MAX = 10_000;
const tagBody = z.strictObject({ Tags: tags });

function taggedOf(call: LambdaCall) {
  const resource = call.path["Resource"] ?? "";
  if (!resource.startsWith("arn:")) invalid("Expected the ARN of a function.");
  return findFunction(call.parts, call.caller, readFunctionName(resource, null, call.caller).name);
}

async function tagResource(call: LambdaCall): Promise<Response> {
  const { Tags: own } = readJsonBody(call, tagBody);
  const found = taggedOf(call);
  mustBeManaged(found);
  await changeFunctionRecord(call, found.name, "lambda-tag", (before) => {
    return { ...before, tags: readWith(tags, { ...before.tags, ...own }, "the tags") };
  });
  return noContent();
}

async function untagResource(call: LambdaCall): Promise<Response> {
  const gone = new Set(call.url.searchParams.getAll("tagKeys"));
  if (gone.size === 0) invalid("Expected tagKeys.");
  const found = taggedOf(call);
  mustBeManaged(found);
  await changeFunctionRecord(call, found.name, "lambda-untag", (before) => {
    return { ...before, tags: Object.fromEntries(Object.entries(before.tags).filter(([key]) => !gone.has(key))) };
  });
  return noContent();
}

async function getAccountSettings({ parts, caller }: LambdaCall): Promise<Response> {
  const { replica } = parts.plane;
  const quotas = replica.get("projects", caller.project)?.value.quotas;
  const zipped = quotas?.versionBytesMax ?? DEFAULT_QUOTAS.versionBytesMax;
  const versions = replica.all("versions", caller.project);
  const bytes = versions.reduce((sum, { value }) => sum + value.files.reduce((all, file) => all + file.bytes, 0), 0);
  const functionsMax = quotas?.functionsMax ?? DEFAULT_QUOTAS.functionsMax;
  const versionsMax = quotas?.versionsMax ?? DEFAULT_QUOTAS.versionsMax;
  return answer({
    AccountLimit: {
      TotalCodeSize: Math.min(Number.MAX_SAFE_INTEGER, functionsMax * versionsMax * zipped),
      ...{ CodeSizeUnzipped: zipped, CodeSizeZipped: zipped },
      ...{ ConcurrentExecutions: CONCURRENT_MAX, UnreservedConcurrentExecutions: CONCURRENT_MAX },
    },
    AccountUsage: { TotalCodeSize: bytes, FunctionCount: replica.all("functions", caller.project).length },
  });
}

/** The operations. */
export const ACCOUNT_OPERATIONS: readonly Operation[] = [
  { name: "TagResource", method: "POST", path: TAGS, access: "deploy", run: tagResource },
  { name: "UntagResource", method: "DELETE", path: TAGS, access: "deploy", run: untagResource },
  {
    ...{ name: "ListTags", method: "GET", path: TAGS, access: "read" },
    run: async (call) => answer({ Tags: taggedOf(call).record.tags }),
  },
  {
    ...{ name: "GetAccountSettings", method: "GET", path: "/2016-08-19/account-settings", access: "read" },
    run: getAccountSettings,
  },
  {
    // Asked for by Terraform and its kin of every function.
    ...{ name: "GetFunctionCodeSigningConfig", method: "GET", access: "read" },
    path: "/2020-06-30/functions/{FunctionName}/code-signing-config",
    run: async (call) => answer({ FunctionName: functionOf(call).found.name, CodeSigningConfigArn: "" }),
  },
];
