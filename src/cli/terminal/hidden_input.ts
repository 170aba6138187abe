/** Values that nobody should see: from standard input, or typed at a prompt that does not echo. */
import { usageError } from "../exit_codes.ts";

/** The most that is read, in bytes. */
const INPUT_BYTES_MAX = 1024 * 1024;

const [ENTER, LINE_FEED, BACKSPACE, DELETE, INTERRUPT, END] = ["\r", "\n", "\b", "\u007f", "\u0003", "\u0004"];

/**
 * The value: on a terminal what is typed after `prompt`, else all of standard input, without the line end at its end.
 * @throws {CommandFailure} when it is more than a value can be
 */
export async function readHidden(prompt: string): Promise<string> {
  if (process.stdin.isTTY) return typed(prompt);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of Bun.stdin.stream()) {
    bytes += chunk.length;
    if (bytes > INPUT_BYTES_MAX) throw usageError(`Cannot read standard input: it is over ${INPUT_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(Buffer.concat(chunks))
      .replace(/\r?\n$/, "");
  } catch (cause) {
    throw usageError("Cannot read standard input: it is not UTF-8", `encode it, as by base64 (${String(cause)})`);
  }
}

/** What is typed up to Enter. Ctrl-C ends the command, as everywhere. */
async function typed(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  // Before anybody is asked, so that not even the fastest answer is echoed.
  stdin.setRawMode(true);
  stderr.write(prompt);
  let text = "";
  try {
    for await (const chunk of stdin) {
      for (const character of String(chunk)) {
        if (character === ENTER || character === LINE_FEED || character === END) return text;
        if (character === INTERRUPT) {
          stdin.setRawMode(false);
          stderr.write("\n");
          process.exit(130);
        }
        text = character === BACKSPACE || character === DELETE ? [...text].slice(0, -1).join("") : text + character;
      }
      if (text.length > INPUT_BYTES_MAX)
        throw usageError(`Cannot read what is typed: it is over ${INPUT_BYTES_MAX} bytes`);
    }
    return text;
  } finally {
    stdin.setRawMode(false);
    stderr.write("\n");
  }
}
