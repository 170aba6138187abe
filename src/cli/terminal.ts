/** What the command line says to people: errors on stderr, colours on a terminal only and never under `NO_COLOR`. */
import type { Writable } from "node:stream";

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

/** Ends the command with the message of an error, in one line. */
export function fail(error: unknown): never {
  process.stderr.write(`isopod: ${messageOf(error)}\n`);
  process.exit(1);
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
