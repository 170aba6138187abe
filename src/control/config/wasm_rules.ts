/** The keys and the bounds that only functions of the `wasm` engine have. */
import { z } from "zod";
import { limitRule } from "../../core/limits.ts";
import { WASM_ABIS } from "../../core/wasm_program.ts";
import { leaf, oneOf, setting, text } from "./values.ts";

const MB = 1024 * 1024;

/** The rule of `tmp_mb`. */
export const TMP_RULE = limitRule("tmp_mb", MB, 16, 0, 1024, "What a command may have in /tmp.");

/** The most arguments of a command. */
export const ARGS_MAX = 256;

/** The shape of the keys that only this engine knows. */
export const WASM_SHAPE = {
  abi: oneOf(WASM_ABIS).optional(),
  args: z
    .array(text("a text without a zero byte", (word) => !word.includes("\0")))
    .max(ARGS_MAX)
    .optional(),
  files: text("the path of a folder").optional(),
  tmp_mb: setting(TMP_RULE).optional(),
  directories: leaf('a table such as { "/models" = "FILES" }', textsOf).optional(),
};

/** Those keys. */
export const WASM_KEYS = Object.keys(WASM_SHAPE) as readonly (keyof typeof WASM_SHAPE)[];
/** Those of them that only a command of WASI has. */
export const COMMAND_KEYS = [
  "args",
  "directories",
  "files",
  "tmp_mb",
] as const satisfies readonly (keyof typeof WASM_SHAPE)[];

/** A table of texts; what may stand in it is known with the function's bindings. */
function textsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const isText = Object.values(value).every((each) => typeof each === "string");
  return isText ? (value as Readonly<Record<string, string>>) : undefined;
}
