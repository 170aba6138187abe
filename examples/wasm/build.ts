/** Makes the modules of this folder from their text: each `NAME.wat` becomes `NAME.wasm`. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import wabt from "wabt";

/** The modules by their file's name, as they are when they are made anew. */
export async function buildModules(): Promise<Map<string, Uint8Array>> {
  const { parseWat } = await wabt();
  const built = new Map<string, Uint8Array>();
  for (const file of readdirSync(import.meta.dir).filter((name) => name.endsWith(".wat"))) {
    const module = parseWat(file, await Bun.file(join(import.meta.dir, file)).text());
    built.set(file.replace(/wat$/, "wasm"), Uint8Array.from(module.toBinary({ write_debug_names: true }).buffer));
    module.destroy();
  }
  return built;
}

if (import.meta.main) {
  for (const [file, bytes] of await buildModules()) await Bun.write(join(import.meta.dir, file), bytes);
}
