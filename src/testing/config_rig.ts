/** Texts of configurations read in a temporary folder of files, and what is wrong with them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Config } from "../control/config/config.ts";
import { ConfigError, type ParseOptions, parseConfig } from "../control/config/file.ts";

/** A folder that configurations are read in. */
export interface ConfigRig extends Disposable {
  readonly folder: string;
  parse(text: string, options?: ParseOptions): Config;
  /** The mistake in `text`, as `line: message`. */
  mistake(text: string, options?: ParseOptions): string;
}

/** Makes the folder with these empty folders, and with these files, each a module. */
export function openConfigRig(folders: readonly string[], files: readonly string[]): ConfigRig {
  const folder = mkdtempSync(join(tmpdir(), "isopod-config-"));
  for (const name of folders) mkdirSync(join(folder, name), { recursive: true });
  for (const name of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), "export default () => 1;\n");
  }
  const parse = (text: string, options: ParseOptions = {}) =>
    parseConfig(text, { file: join(folder, "isopod.toml"), env: { STRIPE: "sk_live" }, ...options });
  return {
    folder,
    parse,
    mistake(text, options) {
      try {
        parse(text, options);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        return error.message.replace(`${error.file}:`, "").trim();
      }
      return "no mistake";
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
