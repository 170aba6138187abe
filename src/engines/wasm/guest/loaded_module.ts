/** What is known of a module before it runs. Types only. */
import type { WasmLoad } from "../../../wire/wasm_load.ts";
import type { memoriesOf } from "./sections.ts";

/** A module that has been compiled and whose memories have been checked. */
export interface LoadedModule {
  readonly name: string;
  readonly module: WebAssembly.Module;
  readonly memories: ReturnType<typeof memoriesOf>;
  /** The limit of the instance, in bytes. */
  readonly memoryBytes: number;
  readonly exportName: string;
  /** The variables of the function. */
  readonly env: Readonly<Record<string, string>>;
  readonly settings: Omit<WasmLoad, "moduleBytes">;
  /** The contents of its files, one behind the other. */
  readonly files: Uint8Array;
  /** @throws {TypeError} that names the module and why it cannot be loaded */
  fail(why: string): never;
}
