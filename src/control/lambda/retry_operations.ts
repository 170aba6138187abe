/** How invocations that nobody waits for are tried again: `PutFunctionEventInvokeConfig` and its kin. */
import { z } from "zod";
import { PRODUCTION } from "../../core/deployment.ts";
import { LambdaError } from "./failures.ts";
import {
  changeFunctionRecord,
  functionOf,
  type LambdaFunction,
  mustBeManaged,
  type Qualified,
  qualified,
} from "./functions.ts";
import { arnOf, LATEST } from "./names.ts";
import { answer, type LambdaCall, noContent, type Operation, readJsonBody } from "./operation.ts";

const RETRIES = 2;
const AGE_SECONDS = 21_600;

const body = z.strictObject({
  MaximumRetryAttempts: z.number().int().min(0).max(2).nullish(),
  MaximumEventAgeInSeconds: z.number().int().min(60).max(AGE_SECONDS).nullish(),
  DestinationConfig: z
    .strictObject({ OnSuccess: z.strictObject({}).nullish(), OnFailure: z.strictObject({}).nullish() })
    .nullish(),
});

/** How an invocation of what a qualifier stands for is tried again. */
export function retriesOf({ record }: LambdaFunction, { alias, shown }: Qualified) {
  const { retries = RETRIES, ageSeconds = AGE_SECONDS } = record.retries[keyOf(alias, shown)] ?? {};
  return { retries, ageMsMax: ageSeconds * 1000 };
}

function keyOf(alias: string | undefined, shown: string): string {
  if (alias === undefined) return shown;
  return alias === PRODUCTION ? LATEST : alias;
}

/** The operations. */
export const RETRY_OPERATIONS: readonly Operation[] = (
  [
    ["PutFunctionEventInvokeConfig", "PUT", "deploy", (call) => change(call, false)],
    ["UpdateFunctionEventInvokeConfig", "POST", "deploy", (call) => change(call, true)],
    ["GetFunctionEventInvokeConfig", "GET", "read", show],
    ["DeleteFunctionEventInvokeConfig", "DELETE", "deploy", remove],
  ] as const satisfies readonly [string, Operation["method"], Operation["access"], Operation["run"]][]
).map(([name, method, access, run]) => {
  return { name, method, access, run, path: "/2019-09-25/functions/{FunctionName}/event-invoke-config" };
});

async function change(call: LambdaCall, keeps: boolean): Promise<Response> {
  const said = readJsonBody(call, body);
  const { found, key, arn } = placeOf(call);
  mustBeManaged(found);
  const at = call.parts.wallNow();
  const changed = await changeFunctionRecord(call, found.name, "event-invoke-config", (before) => {
    const known = keeps ? before.retries[key] : undefined;
    const retries = said.MaximumRetryAttempts ?? known?.retries;
    const ageSeconds = said.MaximumEventAgeInSeconds ?? known?.ageSeconds;
    const own = { at, ...(retries !== undefined && { retries }), ...(ageSeconds !== undefined && { ageSeconds }) };
    return { ...before, retries: { ...before.retries, [key]: own } };
  });
  return answer(shownOf(changed, key, arn));
}

async function show(call: LambdaCall): Promise<Response> {
  const { found, key, arn } = placeOf(call);
  mustHave(found, key, arn);
  return answer(shownOf(found, key, arn));
}

async function remove(call: LambdaCall): Promise<Response> {
  const { found, key, arn } = placeOf(call);
  mustHave(found, key, arn);
  await changeFunctionRecord(call, found.name, "event-invoke-config", (before) => {
    const { [key]: _, ...retries } = before.retries;
    return { ...before, retries };
  });
  return noContent();
}

function placeOf(call: LambdaCall) {
  const { found, named } = functionOf(call);
  const { alias, shown } = qualified(found, named.qualifier);
  const key = keyOf(alias, shown);
  return { found, key, arn: arnOf(call.caller, found.name, key) };
}

function mustHave({ record }: LambdaFunction, key: string, arn: string): void {
  if (Object.hasOwn(record.retries, key)) return;
  throw new LambdaError("ResourceNotFoundException", `The function ${arn} doesn't have an EventInvokeConfig`);
}

function shownOf({ record }: LambdaFunction, key: string, arn: string) {
  const { retries, ageSeconds, at = 0 } = record.retries[key] ?? {};
  return {
    ...{ FunctionArn: arn, LastModified: at / 1000, DestinationConfig: { OnSuccess: {}, OnFailure: {} } },
    ...{ MaximumRetryAttempts: retries, MaximumEventAgeInSeconds: ageSeconds },
  };
}
