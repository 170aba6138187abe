/** Where a server on this machine keeps its data, and the admin token that lies there. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The directory when neither an option nor `ISOPOD_DATA` names one. */
export function defaultDataDirectory(): string {
  if (process.getuid?.() === 0) return "/var/lib/isopod";
  return join(process.env["XDG_DATA_HOME"] || join(homedir(), ".local/share"), "isopod");
}

/** The token of the server whose data lies in `directory`; undefined when there is none, or it cannot be read. */
export function findToken(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, "admin-token"), "utf8").trim();
  } catch {
    return undefined;
  }
}
