/** What a database's process has refused, as an error of the catalogue. */
import { IsopodError, isErrorCode, type StruckLimit } from "../../core/errors.ts";

/** Reads `{code, message, limit}`. */
export function refusedBy(text: Uint8Array): IsopodError {
  const { code, message, limit } = JSON.parse(new TextDecoder().decode(text)) as {
    readonly code: unknown;
    readonly message: string;
    readonly limit?: StruckLimit;
  };
  if (!isErrorCode(code)) return new IsopodError("internal", { cause: message });
  return new IsopodError(code, { message, limit });
}

/** The error of a call whose process was killed for it. */
export function timedOut(workMs: number): IsopodError {
  return new IsopodError("sql_timeout", {
    message: `Cannot finish the call: it took longer than ${Math.ceil(workMs)} ms. What it wrote is not there, unless it was done just then`,
    limit: { name: "callMsMax", value: Math.ceil(workMs) },
  });
}
