/**
 * Bundles a guest into one file, while the server itself is being bundled or started.
 *
 * A Bun macro: from a checkout it runs when `guest_code.ts` is loaded (15 ms); in the compiled executable it has run
 * at build time, and the text is part of the binary. Bun's bundler cannot run inside itself, so it runs as a process.
 */

/** The bundle of a file beside this one, as text. @throws {Error} with the bundler's words when it cannot be made */
export function bundleGuest(entry: string): string {
  const command = [process.execPath, "build", `${import.meta.dir}/${entry}`, "--target=bun", "--minify"];
  const { success, stdout, stderr } = Bun.spawnSync(command, { env: { ...process.env, BUN_BE_BUN: "1" } });
  if (!success) throw new Error(`Cannot bundle ${entry}: ${stderr.toString()}`);
  return stdout.toString();
}
