/** What a deploy says of a module: how it is spoken to, and what a command is given. */
import { z } from "zod";
import { DIRECTORIES_MAX, DIRECTORY_NAME, DIRECTORY_SOURCE, WASM_ABIS } from "../core/wasm_program.ts";
import { ARGS_MAX, TMP_RULE } from "./config/wasm_rules.ts";

const ARGUMENT_LENGTH_MAX = 32_768;

const argument = z
  .string()
  .max(ARGUMENT_LENGTH_MAX)
  .regex(/^[^\0]*$/, "expected a text without a zero byte");

/** The setting of a version. */
export const wasmSetting = z.strictObject({
  abi: z.enum(WASM_ABIS).optional(),
  args: z.array(argument).max(ARGS_MAX).optional(),
  /** Of blob bindings, which are looked for once all settings are known. */
  directories: z
    .record(z.string().regex(DIRECTORY_NAME), z.string().regex(DIRECTORY_SOURCE))
    .refine((all) => Object.keys(all).length <= DIRECTORIES_MAX, `expected at most ${DIRECTORIES_MAX} directories`)
    .optional(),
  tmpBytes: z.number().int().min(TMP_RULE.floor).max(TMP_RULE.ceiling).optional(),
});
