/** The program of a database's process as a file, named by its contents: a newer server has another. */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Lays the file where there is none. Returns its path. */
export function layProgram(directory: string, text: string): string {
  const hash = new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 24);
  const path = join(directory, `database-${hash}.js`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (existsSync(path)) return path;
  const draft = `${path}.${crypto.randomUUID()}`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, path);
  return path;
}
