/** Finds the modules that a source file imports by a relative path, as bundlers do. */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FindModule } from "./clients.ts";

const ENDINGS = ["", ".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", "/index.ts", "/index.tsx", "/index.js"];

/** Looks on the disk. Imports of packages are nobody's own module, and are not found. */
export const findModuleFile: FindModule = async (specifier, importer) => {
  if (!/^\.\.?\//.test(specifier)) return undefined;
  const path = join(dirname(importer), specifier);
  // TypeScript's own imports may be spelled as what they become.
  const typed = path.replace(/\.([mc]?)js(x?)$/, ".$1ts$2");
  for (const file of [...ENDINGS.map((ending) => path + ending), typed]) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text !== undefined) return { file, text };
  }
  return undefined;
};
