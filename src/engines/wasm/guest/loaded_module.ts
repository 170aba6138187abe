/** What is known of a module before it runs. Types only. */
import type { WasmLoad } from "../../../wire/wasm_load.ts";
import type { Memories } from "./memories.ts";
import type { memoriesOf } from "./sections.ts";
import type { Signatures } from "./signatures.ts";

/** A module that has been compiled and whose memories have been checked. */
export interface LoadedModule {
  readonly name: string;
  readonly module: WebAssembly.Module;
  readonly memories: ReturnType<typeof memoriesOf>;
  /** Those of a module that has been made to import the memory that was its own. */
  readonly ownMemory: Memories | undefined;
  /** The limit of the instance, in bytes. */
  readonly memoryBytes: number;
  readonly exportName: string;
  /** The variables of the function. */
  readonly env: Readonly<Record<string, string>>;
  readonly settings: Omit<WasmLoad, "moduleBytes">;
  /** The contents of its files, one behind the other. */
  readonly files: Uint8Array;
  /** Undefined where they cannot be told. */
  readonly signatures: Signatures | undefined;
  /**
   * Makes an instance that nobody calls: what a module does as it starts is known at its deploy. Not done for a program,
   * which is started next.
   * @throws {TypeError} saying what it did
   */
  tryStart(start: (request: Request) => unknown): void;
  /** @throws {TypeError} that names the module and why it cannot be loaded */
  fail(why: string): never;
}
