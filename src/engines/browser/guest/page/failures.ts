/** What a thrown value says, with places in the terms of the function's own module: as V8 writes its stacks. */
import type { ResetReason } from "../../../../wire/heads.ts";
import { InvalidResult } from "../../../guest/failures.ts";
import { INSPECTOR } from "./inspector.ts";

/** @param address where the module is, @param name what it is called */
export function describeFailure(thrown: unknown, address: string, name: string): ResetReason {
  const isError = thrown instanceof Error || thrown instanceof DOMException;
  const message = isError ? `${thrown.name}: ${thrown.message}` : `Uncaught ${INSPECTOR.inspect(thrown)}`;
  const stack = isError ? (thrown.stack ?? "") : "";
  const code = thrown instanceof InvalidResult ? "invalid_result" : "uncaught_exception";
  return { code, message, stack: stack.replaceAll(address, name), ...placeIn(stack, address) };
}

/** The first place in the module that a stack names. */
function placeIn(stack: string, address: string): { line: number; column: number } | undefined {
  const at = stack.indexOf(`${address}:`);
  const match = at < 0 ? null : /^:(\d+):(\d+)/.exec(stack.slice(at + address.length));
  return match ? { line: Number(match[1]), column: Number(match[2]) } : undefined;
}
