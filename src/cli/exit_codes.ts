/** What the command line ends with, and failures that say it. docs/command-line.md has the table for scripts. */

/** Exit codes that scripts can use. */
export const EXIT = {
  done: 0,
  /** The server refused, or a program failed. */
  failed: 1,
  usage: 2,
  unreachable: 3,
  notAllowed: 4,
  notFound: 5,
  conflict: 6,
} as const;

/** An exit code. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What ends a command: one line, what to do next where that is known, and the exit code. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;

  constructor(message: string, options: { exitCode?: ExitCode; hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.hint = options.hint;
  }
}

/** A failure of whoever typed the command. */
export function usageError(message: string, hint?: string): CommandFailure {
  return new CommandFailure(message, { exitCode: EXIT.usage, hint });
}
