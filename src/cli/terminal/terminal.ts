/** What the command line says to people: errors on stderr, colours on a terminal only and never under `NO_COLOR`. */
import type { Writable } from "node:stream";
import { CommandFailure, EXIT } from "../exit_codes.ts";

const CODES = { red: "31", green: "32", yellow: "33", grey: "90", bold: "1" } as const;

/** A colour, or bold. */
export type Colour = keyof typeof CODES;

/** Puts colour around a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string;

/** The paint for what is written to `stream`. */
export function paintFor(stream: Writable & { readonly isTTY?: boolean }): Paint {
  if (stream.isTTY !== true || process.env["NO_COLOR"] || process.env["TERM"] === "dumb") return (_, text) => text;
  return (colour, text) => `\u001b[${CODES[colour]}m${text}\u001b[0m`;
}

/** Ends the command with the message of an error, in one line, and the next step in another where it is known. */
export function fail(error: unknown): never {
  const { hint, exitCode } = error instanceof CommandFailure ? error : { hint: undefined, exitCode: EXIT.failed };
  process.stderr.write(`isopod: ${printable(messageOf(error))}\n${hint === undefined ? "" : `  → ${hint}\n`}`);
  process.exit(exitCode);
}

/**
 * Controls but for tabs and line ends as marks, so that a text from elsewhere does not drive the terminal; those that
 * turn the direction of a text as well.
 */
export function printable(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    "\ufffd",
  );
}

/** Writes to stdout; resolves when there is room for more, so that a slow reader slows us and fills no memory. */
export function writeOut(chunk: string | Uint8Array): Promise<void> {
  if (process.stdout.write(chunk)) return Promise.resolve();
  return new Promise((resolve) => process.stdout.once("drain", resolve));
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
