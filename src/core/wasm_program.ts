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
  /** Read-only folders beside "/" and "/tmp", such as "/models": the blob binding that fills each, or `BINDING/prefix`. */
  readonly directories?: Readonly<Record<string, string>> | undefined;
}

/** What a directory can be called. */
export const DIRECTORY_NAME = /^\/(?!tmp$|\.)[A-Za-z0-9._-]{1,64}$/;
/** What a directory can be filled from. */
export const DIRECTORY_SOURCE = /^[A-Za-z_][A-Za-z0-9_]{0,63}(\/[^\0]{0,512})?$/;
/** The most directories of a command. */
export const DIRECTORIES_MAX = 16;

/** The first mistake in what directories are filled from, `bindings` being those of the function; undefined for none. */
export function directoryMistake(
  directories: WasmSettings["directories"],
  bindings: ReadonlyMap<string, { readonly type: string }>,
): string | undefined {
  const names = Object.entries(directories ?? {});
  if (names.length > DIRECTORIES_MAX) return `expected at most ${DIRECTORIES_MAX} directories`;
  for (const [name, source] of names) {
    if (!DIRECTORY_NAME.test(name)) return `expected a name such as "/models", and not "/tmp", instead of "${name}"`;
    const [binding = ""] = source.split("/");
    if (!DIRECTORY_SOURCE.test(source)) return `expected the name of a blob binding, or NAME/prefix, not "${source}"`;
    if (bindings.get(binding)?.type !== "blob")
      return `"${name}" is to be filled from "${binding}", which is no blob binding of it`;
  }
  return undefined;
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

/** On whose behalf a program is made ready. */
export interface WasmAsker {
  /** The name under which its use is counted: a key, an address, a project. */
  readonly caller: string;
  /** Callers who share one part of what there is: those of a project, or all who have no key. */
  readonly group: string;
  /** The `cpu_ms` of the plan of one who sends programs; undefined for one who deploys. */
  readonly cpuMs?: number | undefined;
}

/** Makes programs of the `wasm` engine ready to run. */
export interface WasmPreparer {
  /**
   * The program as instances take it: a module as it is, a component transpiled. Files of the configuration have no
   * asker. When `signal` fires with `wall_limit` as its reason, that is thrown, saying what was waited for.
   * @throws {IsopodError} `uncaught_exception` saying what is wrong with it, or a limit
   */
  prepare(program: WasmProgram, signal?: AbortSignal, asker?: WasmAsker): Promise<WasmProgram>;
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
