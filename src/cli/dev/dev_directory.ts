/** Where `isopod dev` keeps its data: below what it serves. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { usageError } from "../exit_codes.ts";
import { messageOf } from "../terminal/terminal.ts";

/**
 * Makes the folder of the server's data, which no repository takes in. What all projects can share lies elsewhere.
 * @throws {CommandFailure} where it cannot be written
 */
export function openDevDirectory(folder: string): string {
  const own = join(folder, ".isopod");
  const ignore = join(own, ".gitignore");
  try {
    mkdirSync(own, { recursive: true });
    if (!existsSync(ignore)) writeFileSync(ignore, "*\n");
  } catch (cause) {
    const hint = "it keeps its data there; serve a copy in a folder of yours";
    throw usageError(`Cannot write to ${own}: ${messageOf(cause)}`, hint);
  }
  process.env["ISOPOD_CACHE"] ||= join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "isopod");
  return join(own, "data");
}
