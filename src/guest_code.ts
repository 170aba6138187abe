/**
 * The programs of ours that run as processes of their own, in sandboxes or beside the server, each as one text.
 *
 * From a checkout or the npm package a guest is bundled when the server starts (15 ms), by Bun as a process, since its
 * bundler cannot run inside itself. In the compiled executable, which has no sources, scripts/compile.ts has put the
 * text in. (A Bun macro would do both, but none may run from `node_modules`.)
 */

declare const ISOPOD_GUEST_CODE: string | undefined;
declare const ISOPOD_PROCESS_GUEST_CODE: string | undefined;
declare const ISOPOD_BROWSER_GUEST_CODE: string | undefined;
declare const ISOPOD_BROWSER_PAGE_CODE: string | undefined;
declare const ISOPOD_DATABASE_CODE: string | undefined;

/** The guest of the `script` engine. */
export const GUEST_CODE: string =
  typeof ISOPOD_GUEST_CODE === "string" ? ISOPOD_GUEST_CODE : bundleGuest("standard_guest.ts");

/** The guest of the `process` engine; made when the first instance is. */
export function processGuestCode(): string {
  return typeof ISOPOD_PROCESS_GUEST_CODE === "string" ? ISOPOD_PROCESS_GUEST_CODE : bundleGuest("process_guest.ts");
}

/** The guest of the `browser` engine; made when the first instance is. */
export function browserGuestCode(): string {
  return typeof ISOPOD_BROWSER_GUEST_CODE === "string" ? ISOPOD_BROWSER_GUEST_CODE : bundleGuest("browser_guest.ts");
}

/** The script that every page of that engine begins with. */
export function browserPageCode(): string {
  return typeof ISOPOD_BROWSER_PAGE_CODE === "string"
    ? ISOPOD_BROWSER_PAGE_CODE
    : bundleGuest("browser_page.ts", "browser");
}

/** The process of one database; made when the first one is asked for. */
export function databaseCode(): string {
  return typeof ISOPOD_DATABASE_CODE === "string" ? ISOPOD_DATABASE_CODE : bundleGuest("bindings/sql/database/main.ts");
}

/** The bundle of a file beside this one, as text. @throws {Error} with the bundler's words when it cannot be made */
function bundleGuest(entry: string, target: "bun" | "browser" = "bun"): string {
  const command = [process.execPath, "build", `${import.meta.dir}/${entry}`, `--target=${target}`, "--minify"];
  const { success, stdout, stderr } = Bun.spawnSync(command, { env: { ...process.env, BUN_BE_BUN: "1" } });
  if (!success) throw new Error(`Cannot bundle ${entry}: ${stderr.toString()}`);
  return stdout.toString();
}
