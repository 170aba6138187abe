/** What host and database process say: a call is a head (`grant.ts`), a line's end and what the guest sent; an answer a kind and a text. */

/** The first byte of an answer. */
export const ANSWER = {
  /** JSON of the results follows; nothing, when the database is open. */
  done: 0,
  /** `{code, message, limit}` follows: the caller's mistake, or a limit. */
  refused: 1,
  /** A text for our log follows. */
  failed: 2,
} as const;

/** The head of a call, in bytes. */
export const CALL_HEAD_BYTES_MAX = 64 * 1024;

const LINE_END = 10;
const decoder = new TextDecoder();

/** Takes a call apart. @throws {RangeError} for one without a head */
export function splitCall(message: Uint8Array): { head: string; text: string } {
  const end = message.indexOf(LINE_END);
  if (end < 0) throw new RangeError("a call without a head");
  return { head: decoder.decode(message.subarray(0, end)), text: decoder.decode(message.subarray(end + 1)) };
}
