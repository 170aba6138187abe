/** A run that failed, told in terms of the caller: whose limit it was, and where in the caller's own file. */
import type { ErrorCode } from "../core/errors.ts";

/** What a run fails of: a code of the server's catalogue, or of these, which no server says. */
export type RunErrorCode =
  | ErrorCode
  /** No server answered. */
  | "unreachable"
  /** The connection ended before the run had. */
  | "connection_lost"
  /** What answered is no Isopod server, or none that this client understands. */
  | "invalid_answer";

/** The `error` object of a server's answer, with the stack that runs have. */
export interface RunFailure {
  readonly code: RunErrorCode;
  readonly message: string;
  readonly request_id?: string;
  readonly limit?: { readonly name: string; readonly value: number };
  readonly line?: number;
  readonly column?: number;
  readonly stack?: string;
}

/** Puts the places of a stack into the caller's terms. */
export type TranslateStack = (stack: string) => string;

/** A run failed. `stack` begins inside the function and goes on where it was called. */
export class IsopodRunError extends Error {
  readonly code: RunErrorCode;
  /** Finds the run in the server's log; undefined when no server answered. */
  readonly requestId: string | undefined;
  /** The limit that struck, with the name and unit of `core/limits.ts`, such as `cpuMs`. */
  readonly limit: { readonly name: string; readonly value: number } | undefined;

  constructor(failure: RunFailure, options: { readonly cause?: unknown } = {}) {
    super(failure.message, options);
    this.name = "IsopodRunError";
    this.code = failure.code;
    this.requestId = failure.request_id;
    this.limit = failure.limit;
  }
}

/** The error of a failed run. `called` is an error that was made where the function was called. */
export function runError(failure: RunFailure, called: Error, translate: TranslateStack): IsopodRunError {
  const missing = missingVariable(failure);
  const hint = `; the function runs elsewhere and sees no variable around it: give it ${missing} in args, or import it inside`;
  const message = missing === undefined ? failure.message : `${failure.message}${hint}`;
  const error = new IsopodRunError({ ...failure, message });
  const inside = translate(failure.stack ?? "");
  const outside = (called.stack ?? "").split("\n").filter((line) => /:\d+:\d+\)?$/.test(line));
  error.stack = [`${error.name}: ${error.message}`, inside, ...outside].filter((part) => part !== "").join("\n");
  return error;
}

/** The variable that a function looked for and did not find. */
function missingVariable({ code, message }: RunFailure): string | undefined {
  if (code !== "uncaught_exception") return undefined;
  return /^ReferenceError: (?:Can't find variable: ([\p{ID_Continue}$]+)|([\p{ID_Continue}$]+) is not defined)/u
    .exec(message)
    ?.slice(1)
    .find((name) => name !== undefined);
}
