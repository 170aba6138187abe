/** Writes files so that a crash leaves them whole or not at all. */
import { open, rename, unlink } from "node:fs/promises";
import { join } from "node:path";

const TEMPORARY_PREFIX = ".pin-";
const TEMPORARY = /^\.pin-[0-9a-f-]{36}$/;

/** Whether a file's name is a passing one, left by a crash in the middle of a write. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Writes a file under a passing name, has it reach the disk, then gives it its own. */
export async function writeWhole(directory: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = join(directory, `${TEMPORARY_PREFIX}${crypto.randomUUID()}`);
  try {
    await syncedWrite(temporary, bytes);
    await rename(temporary, join(directory, name));
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  const folder = await open(directory, "r");
  await folder.sync().finally(() => folder.close());
}

async function syncedWrite(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
