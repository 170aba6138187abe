/** Compiles C to modules of WebAssembly, by clang and lld where the machine has them. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The release whose modules are kept beside their sources: another one makes others of the same source. */
const CLANG = "14.0";
/** Nothing but the source: no C library, and no names of the machine. */
const FLAGS = [
  "--target=wasm32",
  "-Oz",
  "-std=c17",
  "-Wall",
  "-Werror",
  "-Wno-unused-function",
  "-nostdlib",
  "-fno-builtin",
  "-fno-ident",
];

/** Why C cannot be compiled here to the very bytes that are kept; undefined where it can. */
export function whyNoClang(): string | undefined {
  const clang = Bun.which("clang");
  if (clang === null || Bun.which("wasm-ld") === null) return "clang and lld are not installed";
  const words = Bun.spawnSync([clang, "--version"]).stdout.toString();
  return words.includes(`version ${CLANG}`) ? undefined : `clang is not ${CLANG}: ${words.split("\n")[0]}`;
}

/** The module of the file `source`. @throws {Error} with the compiler's words */
export function compileC(source: string, linking: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), "isopod-c-"));
  try {
    const output = join(folder, "module.wasm");
    const linker = ["--strip-all", "--no-entry", "-zstack-size=65536", ...linking].map((flag) => `-Wl,${flag}`);
    const { stderr } = Bun.spawnSync(["clang", ...FLAGS, ...linker, source, "-o", output]);
    if (!existsSync(output)) throw new Error(`Cannot compile ${source}: ${stderr.toString()}`);
    return new Uint8Array(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
