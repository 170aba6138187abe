/** Concurrency that is reserved for a function: the most invocations of it at a time, whichever way it is called. */
import { z } from "zod";
import { changeFunctionRecord, functionOf, mustBeManaged } from "./functions.ts";
import { answer, noContent, type Operation, readJsonBody } from "./operation.ts";

/** As many as a server admits at all. */
const CONCURRENCY_MAX = 10_000;
const CHANGE = "/2017-10-31/functions/{FunctionName}/concurrency";
const body = z.strictObject({ ReservedConcurrentExecutions: z.number().int().min(0).max(CONCURRENCY_MAX) });

/** The operations. */
export const CONCURRENCY_OPERATIONS: readonly Operation[] = [
  {
    ...{ name: "PutFunctionConcurrency", method: "PUT", path: CHANGE, access: "deploy" },
    run: async (call) => {
      const { ReservedConcurrentExecutions: concurrency } = readJsonBody(call, body);
      const { found } = functionOf(call);
      mustBeManaged(found);
      await changeFunctionRecord(call, found.name, "lambda-concurrency", (before) => ({ ...before, concurrency }));
      return answer({ ReservedConcurrentExecutions: concurrency });
    },
  },
  {
    ...{ name: "DeleteFunctionConcurrency", method: "DELETE", path: CHANGE, access: "deploy" },
    run: async (call) => {
      const { found } = functionOf(call);
      mustBeManaged(found);
      await changeFunctionRecord(call, found.name, "lambda-concurrency", ({ concurrency: _, ...before }) => before);
      return noContent();
    },
  },
  {
    ...{ name: "GetFunctionConcurrency", method: "GET", path: "/2019-09-30/functions/{FunctionName}/concurrency" },
    access: "read",
    run: async (call) => {
      const { concurrency } = functionOf(call).found.record;
      return answer({ ReservedConcurrentExecutions: concurrency });
    },
  },
];
