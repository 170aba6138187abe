/** What the `wasm` engine runs: the bytes of one module. Nobody outside a sandbox looks into them. */

/** A module of the `wasm` engine. */
export interface WasmProgram {
  readonly kind: "wasm";
  /** What errors call it, such as `hello.wasm`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** `sha256-<hex>` of `bytes`. */
  readonly hash: string;
}

/** Whether bytes begin as every module does. */
export function isWasm(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

/** The export that is the function, when none is named. */
export const WASM_EXPORT = "handle";
