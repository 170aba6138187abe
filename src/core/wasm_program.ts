/** What the `wasm` engine runs: the bytes of one module. Nobody outside a sandbox looks into them. */

/** A module of the `wasm` engine. */
export interface WasmProgram {
  readonly kind: "wasm";
  /** What errors call it, such as `hello.wasm`. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** `sha256-<hex>` of `bytes`. */
  readonly hash: string;
  readonly settings?: WasmSettings | undefined;
  /** What a command finds in its folders, beside `bytes`. */
  readonly files?: readonly WasmFile[] | undefined;
}

/** How a module can be spoken to. */
export const WASM_ABIS = ["handle", "wasi"] as const;

/** How a module is spoken to, and what a command of WASI is given. */
export interface WasmSettings {
  /** By what the module imports and exports when left out. */
  readonly abi?: (typeof WASM_ABIS)[number] | undefined;
  /** Arguments behind the module's name. */
  readonly args?: readonly string[] | undefined;
  /** What `/tmp` may hold; 0 for no such folder. */
  readonly tmpBytes?: number | undefined;
}

/** A file or a symbolic link of a command; `path` is relative, of plain parts with "/" between them. */
export interface WasmFile {
  readonly path: string;
  readonly contents: Uint8Array | { readonly link: string };
}

/** The most that a module and its files may take, in bytes. */
export const WASM_BYTES_MAX = 20 * 1024 * 1024;

/** @throws {Error} when a module and its files are more than an instance can be given */
export function checkWasmBytes(module: Uint8Array, files: readonly WasmFile[]): void {
  let bytes = module.length;
  for (const { contents } of files) if (contents instanceof Uint8Array) bytes += contents.length;
  if (bytes <= WASM_BYTES_MAX) return;
  throw new Error(`the module and its files are ${bytes} bytes, over ${WASM_BYTES_MAX}`);
}

/** Whether bytes begin as every module does. */
export function isWasm(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
}

/** The export that is the function, when none is named. */
export const WASM_EXPORT = "handle";
