/** What a database refuses to whoever asked it, by a code of the catalogue. */
import type { ErrorCode } from "../../../core/errors.ts";

/** A mistake of the caller, or a limit. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly limit: { readonly name: string; readonly value: number } | undefined;

  constructor(code: ErrorCode, message: string, limit?: { readonly name: string; readonly value: number }) {
    super(message);
    this.code = code;
    this.limit = limit;
  }
}
