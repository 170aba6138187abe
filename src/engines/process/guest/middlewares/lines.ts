/** The lines that a persistent middleware answers by. */
import { HOOK_TEXT_BYTES_MAX } from "../../../../wire/hooks.ts";
import { tooMuch } from "./plain.ts";

const SHOWN_LENGTH = 120;

/** Hands each line to `take`. @throws {HookError} when one is too long, and what `take` throws */
export async function readAnswers(
  output: ReadableStream<Uint8Array>,
  name: string,
  take: (line: string) => void,
): Promise<void> {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of output) {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      chunks.push(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
      if (bytes + end > HOOK_TEXT_BYTES_MAX) throw tooMuch(name);
      take(Buffer.concat(chunks).toString("utf8"));
      chunks = [];
      bytes = 0;
    }
    if (rest.length > 0) chunks.push(rest);
    bytes += rest.length;
    if (bytes > HOOK_TEXT_BYTES_MAX) throw tooMuch(name);
  }
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "no id").slice(0, SHOWN_LENGTH);
}

/** What an error that was answered says. */
export function textOf(error: unknown): string {
  const { message } = (typeof error === "object" && error !== null ? error : {}) as { message?: unknown };
  const text =
    typeof error === "string" ? error : typeof message === "string" ? message : (JSON.stringify(error) ?? "");
  return text.slice(0, 1000);
}
