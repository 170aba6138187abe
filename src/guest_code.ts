/**
 * The programs of ours that run as processes of their own, in sandboxes or beside the server, each as one text.
 *
 * From a checkout or the npm package a guest is bundled when the server starts (15 ms), by Bun as a process, since its
 * bundler cannot run inside itself. In the compiled executable, which has no sources, scripts/compile.ts has put the
 * text in. (A Bun macro would do both, but none may run from `node_modules`.)
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

declare const ISOPOD_GUEST_CODE: string | undefined;
declare const ISOPOD_PROCESS_GUEST_CODE: string | undefined;
declare const ISOPOD_BROWSER_GUEST_CODE: string | undefined;
declare const ISOPOD_BROWSER_PAGE_CODE: string | undefined;
declare const ISOPOD_DATABASE_CODE: string | undefined;
declare const ISOPOD_TRANSPILER_CODE: string | undefined;
declare const ISOPOD_COMPONENT_CODE: string | undefined;

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
    : // A function of its own, since it stands in a page with scripts of others: none of its names is one of theirs.
      bundle(join(import.meta.dir, "browser_page.ts"), ["--target=browser", "--format=iife"]);
}

/** The process of one database; made when the first one is asked for. */
export function databaseCode(): string {
  return typeof ISOPOD_DATABASE_CODE === "string" ? ISOPOD_DATABASE_CODE : bundleGuest("bindings/sql/database/main.ts");
}

/** The program that transpiles components, with jco inside; made when the first component comes. */
export function transpilerCode(): string {
  if (typeof ISOPOD_TRANSPILER_CODE === "string") return ISOPOD_TRANSPILER_CODE;
  const folder = join(dirname(Bun.resolveSync("@bytecodealliance/jco-transpile", import.meta.dir)), "..", "vendor");
  const names = readdirSync(folder).filter((name) => /^js-component-bindgen-component\.core.*\.wasm$/.test(name));
  const modules = names.map((name) => [name, readFileSync(join(folder, name)).toString("base64")]);
  // Without Node's half of WASI, and with a base for the addresses of what the program has in itself.
  const flags = ["--target=browser", "--define=process.versions.node=false", '--define=import.meta.url="file:///"'];
  const jco = bundle(join(folder, "js-component-bindgen-component.js"), flags);
  const parts = { JCO_SCRIPT: jco, JCO_MODULES: Object.fromEntries(modules) };
  const constants = Object.entries(parts).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};\n`);
  return constants.join("") + bundleGuest("engines/wasm/transpiler/main.ts");
}

/** What runs components inside a guest, which is given it with a component; made when the first one comes. */
export function componentCode(): string {
  if (typeof ISOPOD_COMPONENT_CODE === "string") return ISOPOD_COMPONENT_CODE;
  return bundleGuest("engines/wasm/guest/component/component.ts");
}

/** The bundle of a file beside this one, as text. @throws {Error} with the bundler's words when it cannot be made */
function bundleGuest(entry: string): string {
  return bundle(join(import.meta.dir, entry), ["--target=bun"]);
}

/** The bundle of the file at `path`. @throws {Error} */
function bundle(path: string, flags: readonly string[]): string {
  const command = [process.execPath, "build", path, "--minify", ...flags];
  const { success, stdout, stderr } = Bun.spawnSync(command, { env: { ...process.env, BUN_BE_BUN: "1" } });
  if (!success) throw new Error(`Cannot bundle ${path}: ${stderr.toString()}`);
  return stdout.toString();
}
