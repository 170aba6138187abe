/**
 * Makes the modules of C that tests run anew, `src/engines/wasm/wasi_suite/` and one in `src/testing/`: each `NAME.c`
 * becomes `NAME.wasm`. Needs clang and lld.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { compileC, whyNoClang } from "../src/testing/compile_c.ts";

const folder = join(import.meta.dir, "../src/engines/wasm/wasi_suite");
const missing = whyNoClang();
if (missing !== undefined) throw new Error(`Cannot build the suite: ${missing}`);
for (const file of readdirSync(folder).filter((name) => name.endsWith(".c"))) {
  await Bun.write(join(folder, file.replace(/c$/, "wasm")), compileC(join(folder, file), ["--export=_start"]));
}

const bindings = join(import.meta.dir, "../src/testing/wasm_bindings");
await Bun.write(`${bindings}.wasm`, compileC(`${bindings}.c`, []));
