/** What the configuration says of a module. Types only. */
import type { WasmSettings } from "../../core/wasm_program.ts";

/** What only a function of the `wasm` engine has. */
export interface WasmConfig {
  readonly settings: WasmSettings;
  /** Absolute path of the folder that a command finds at "/". */
  readonly files: string | undefined;
}
