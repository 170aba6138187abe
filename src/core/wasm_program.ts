/** What the `wasm` engine runs: the bytes of one module or component. Nobody outside a sandbox looks into them. */

/** A module or component of the `wasm` engine. */
export interface WasmProgram {
  readonly kind: "wasm";
  /** What errors call it, such as `hello.wasm`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** `sha256-<hex>` of what was supplied. */
  readonly hash: string;
  /** Whether `bytes` are what was made of a component, and not what was supplied. */
  readonly isTranspiled?: true;
}

/** Makes programs of the `wasm` engine ready to run. */
export interface WasmPreparer {
  /**
   * The program as instances take it: a module as it is, a component transpiled.
   * @throws {IsopodError} `uncaught_exception` saying what is wrong with it, or a limit
   */
  prepare(program: WasmProgram, signal?: AbortSignal): Promise<WasmProgram>;
}

/** Whether bytes begin as every module does. */
export function isWasm(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

/** Whether bytes begin as every component does, and no module. */
export function isComponent(bytes: Uint8Array): boolean {
  return isWasm(bytes) && bytes[4] === 0x0d && bytes[5] === 0 && bytes[6] === 1 && bytes[7] === 0;
}

/** The export that is the function, when none is named. */
export const WASM_EXPORT = "handle";
