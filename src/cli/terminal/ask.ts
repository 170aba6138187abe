/** Questions to whoever sits at the terminal; scripts are never asked. */
import { createInterface } from "node:readline/promises";
import { usageError } from "../exit_codes.ts";

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks for a text; `standard` is what an empty answer stands for. Ctrl-C ends the command, as everywhere. */
export async function ask(question: string, standard: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await lines.question(`${question} (${standard}) `)).trim() || standard;
  } catch (error) {
    // Ctrl-D as well: who gives no answer wants nothing done.
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
    process.stderr.write("\n");
    return process.exit(130);
  } finally {
    lines.close();
  }
}

/** Asks yes or no. */
export async function confirm(question: string, standard: boolean): Promise<boolean> {
  const answer = (await ask(question, standard ? "Y/n" : "y/N")).toLowerCase();
  return answer === "y/n" ? standard : answer === "y" || answer === "yes";
}

/** What takes something from a server that no command brings back. */
export interface Removal {
  readonly verb: "delete" | "remove" | "replace" | "revoke";
  readonly what: string;
  /** Of the server. */
  readonly origin: string;
}

/**
 * Whether that is to be done: asks, unless `yes` says so.
 * @throws {CommandFailure} where nobody can be asked
 */
export async function mayRemove({ verb, what, origin }: Removal, yes: boolean | undefined): Promise<boolean> {
  if (yes === true) return true;
  if (!canAsk())
    throw usageError(`Cannot ask whether to ${verb} ${what}: this is no terminal`, `add --yes to ${verb} it unasked`);
  if (await confirm(`${verb.charAt(0).toUpperCase()}${verb.slice(1)} ${what} on ${origin}?`, false)) return true;
  process.stderr.write("Nothing is changed\n");
  return false;
}
