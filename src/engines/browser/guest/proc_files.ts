/** Files of /proc, read as text. */

/** A file of process `pid`; undefined when it is gone. */
export async function readFileOf(pid: number, name: string): Promise<string | undefined> {
  try {
    return await Bun.file(`/proc/${pid}/${name}`).text();
  } catch {
    return undefined;
  }
}
