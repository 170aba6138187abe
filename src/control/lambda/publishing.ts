/** Published versions: numbers for what `$LATEST` stands for. A number stands for its version for good. */
import { z } from "zod";
import { codeRecordOf, configurationOf } from "./configuration.ts";
import { invalid, LambdaError } from "./failures.ts";
import {
  changeFunctionRecord,
  checkRevision,
  functionOf,
  type LambdaFunction,
  mustBeManaged,
  qualified,
} from "./functions.ts";
import { LATEST } from "./names.ts";
import { answer, type LambdaCall, type Operation, pageOf, readJsonBody } from "./operation.ts";
import type { LambdaRecord } from "./record.ts";

/** Numbers of one function. */
const VERSIONS_MAX = 1000;

/** The function with the number of what `$LATEST` stands for; the last number where that is it already. */
export async function publish(
  call: LambdaCall,
  found: LambdaFunction,
  description: string | undefined,
): Promise<{ readonly found: LambdaFunction; readonly number: string }> {
  const { version } = qualified(found, undefined);
  const code = codeRecordOf(call.parts, found, version.version);
  const last = found.record.versions.at(-1);
  if (last?.version === version.version) return { found, number: String(last.number) };
  let number = 0;
  const published = await changeFunctionRecord(call, found.name, "lambda-publish", (before): LambdaRecord => {
    if (before.versions.length >= VERSIONS_MAX) {
      const message = `Code storage limit exceeded: function "${found.name}" has ${VERSIONS_MAX} versions, the most.`;
      throw new LambdaError("CodeStorageExceededException", message);
    }
    number = before.nextNumber;
    const own = { ...code, number, ...(description !== undefined && { description }), at: call.parts.wallNow() };
    return { ...before, versions: [...before.versions, own], nextNumber: number + 1 };
  });
  return { found: published, number: String(number) };
}

const publishBody = z.strictObject({
  CodeSha256: z.string().max(64).nullish(),
  Description: z.string().max(256).nullish(),
  RevisionId: z.string().max(100).nullish(),
});

/** The operations. */
export const VERSION_OPERATIONS: readonly Operation[] = [
  {
    ...{ name: "PublishVersion", method: "POST", path: "/2015-03-31/functions/{FunctionName}/versions" },
    access: "deploy",
    async run(call) {
      const said = readJsonBody(call, publishBody);
      const { found } = functionOf(call);
      mustBeManaged(found);
      checkRevision(found, said.RevisionId ?? undefined);
      const { codeSha256 } = codeRecordOf(call.parts, found, qualified(found, undefined).version.version);
      if ((said.CodeSha256 ?? codeSha256) !== codeSha256) {
        invalid(`CodeSHA256 (${said.CodeSha256}) is different from current CodeSHA256 in $LATEST (${codeSha256}).`);
      }
      const { found: published, number } = await publish(call, found, said.Description ?? undefined);
      return answer(configurationOf(call.parts, published, qualified(published, number), number), 201);
    },
  },
  {
    ...{ name: "ListVersionsByFunction", method: "GET", path: "/2015-03-31/functions/{FunctionName}/versions" },
    access: "read",
    async run(call) {
      const { found } = functionOf(call);
      const { page, NextMarker } = pageOf(call, versionsOf(call, found), ({ order }) => order);
      return answer({ Versions: page.map(({ shown }) => shown), NextMarker });
    },
  },
];

/** `$LATEST` and the published versions, in the order of their numbers. */
export function versionsOf({ parts }: LambdaCall, found: LambdaFunction) {
  const latest = configurationOf(parts, found, qualified(found, undefined), LATEST);
  const numbered = found.record.versions.flatMap(({ number }) => {
    const shown = String(number);
    try {
      return [{ order: shown.padStart(12, "0"), shown: configurationOf(parts, found, qualified(found, shown), shown) }];
    } catch (error) {
      // Its version was deleted by another way.
      if (error instanceof LambdaError) return [];
      throw error;
    }
  });
  return [{ order: "", shown: latest }, ...numbered];
}
