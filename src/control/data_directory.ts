/** The server's data directory: what lies in it, who may read it. Where it is by default, the command line says. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Creates what is missing of the directory. @throws {Error} when it cannot be written */
export function openDataDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const isFile = code === "EEXIST" || code === "ENOTDIR";
    const reason = isFile ? "it, or what it would lie in, is a file" : cause instanceof Error ? cause.message : cause;
    throw new Error(`Cannot use the data directory ${directory}: ${reason}`, { cause });
  }
}

const TOKEN_FILE = "admin-token";

/** The admin token: read, or made when there is none. Only its owner can read the file. */
export function readOrCreateToken(directory: string): string {
  const path = join(directory, TOKEN_FILE);
  if (existsSync(path)) {
    chmodSync(path, 0o600);
    return readFileSync(path, "utf8").trim();
  }
  const token = `isopod_admin_${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url")}`;
  writeFileSync(path, `${token}\n`, { mode: 0o600, flag: "wx" });
  return token;
}
