/** Failures of programs that all guests tell in the same way. */
import type { ResetReason } from "../../wire/heads.ts";

/** What a program answered cannot be sent. */
export class InvalidResult extends TypeError {
  override name = "TypeError";
}

/** What a thrown value says to the caller and to the log; places are in the program's own terms. Must not throw. */
export type DescribeFailure = (thrown: unknown) => ResetReason;

const MESSAGE_LENGTH_MAX = 4096;
const STACK_LENGTH_MAX = 16_384;

/** A reason as it may be sent, of whatever `describe` makes of a thrown value. Never throws. */
export function describeSafely(thrown: unknown, describe: DescribeFailure): ResetReason {
  try {
    const { message = "", stack = "", ...reason } = describe(thrown);
    return { ...reason, message: plainText(message, MESSAGE_LENGTH_MAX), stack: plainText(stack, STACK_LENGTH_MAX) };
  } catch {
    // A program may throw what throws again when it is looked at.
    return { code: "uncaught_exception", message: "The program threw a value that cannot be described" };
  }
}

/** At most three bytes a character in JSON, so that no text is too long for its frame. */
function plainText(text: string, lengthMax: number): string {
  const cut = String(text).slice(0, lengthMax).toWellFormed();
  return cut.replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, "\ufffd");
}
