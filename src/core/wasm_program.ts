/** What the `wasm` engine runs: the bytes of one module or component. Nobody outside a sandbox looks into them. */

import { IsopodError } from "./errors.ts";

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
  readonly settings?: WasmSettings | undefined;
  /** What a command finds in its folders, beside `bytes`. */
  readonly files?: readonly WasmFile[] | undefined;
}

/** How a module can be spoken to; a component in one way only. */
export const WASM_ABIS = ["handle", "wasi", "component"] as const;

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

/** @throws {IsopodError} when a component is to be a module, or the other way round */
export function checkAbi(name: string, bytes: Uint8Array, abi: WasmSettings["abi"]): void {
  const is = isComponent(bytes) ? "component" : "module";
  if (abi === undefined || (abi === "component") === (is === "component")) return;
  const message = `Cannot load ${is}: its abi is to be "${abi}" (${name})`;
  throw new IsopodError("uncaught_exception", { message });
}

/** The export that is the function, when none is named. */
export const WASM_EXPORT = "handle";
