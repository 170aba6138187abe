/** What a guest is told of a module, beside what it is told of every program. Types only. */
import type { WasmSettings } from "../core/wasm_program.ts";

/** What is said of a module only. */
export interface WasmLoad extends WasmSettings {
  readonly moduleBytes: number;
  /** The path of each file with its size, and of each symbolic link with where it leads. */
  readonly files: readonly (readonly [path: string, contents: number | string])[];
}
