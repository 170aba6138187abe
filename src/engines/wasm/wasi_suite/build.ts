/** Makes the modules of this folder anew: each `NAME.c` becomes `NAME.wasm`. Needs clang and lld of Debian 12. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { compileC } from "../../../../scripts/compile_c.ts";

for (const file of readdirSync(import.meta.dir).filter((name) => name.endsWith(".c"))) {
  const module = compileC(join(import.meta.dir, file), ["--export=_start"]);
  await Bun.write(join(import.meta.dir, file.replace(/c$/, "wasm")), module);
}
