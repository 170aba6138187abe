/**
 * The adapter for modules of WebAssembly: finds the ABI by which a module is spoken to, and makes a handler of it. The
 * module is compiled once; every invocation has an instance, and a memory, of its own.
 */
import type { LoadParcel } from "../../../wire/heads.ts";
import type { Handler, PendingProgram, ProgramAdapter } from "../../guest/evaluated.ts";
import { handleHandler } from "./handle/module.ts";
import { checkMemory } from "./memories.ts";
import { memoriesOf } from "./sections.ts";

const WASI_MODULE = "wasi_snapshot_preview1";

/** Takes modules. */
export const wasmAdapter: ProgramAdapter = {
  read(load, bytes): PendingProgram | undefined {
    if (load.wasm === undefined) return undefined;
    return {
      isModule: true,
      async evaluate() {
        return { handler: await loadModule(load, bytes), exported: {}, own: {} };
      },
    };
  },
};

/** What is known of a module before it runs. */
export interface LoadedModule {
  readonly name: string;
  readonly module: WebAssembly.Module;
  readonly memories: ReturnType<typeof memoriesOf>;
  /** The limit of the instance, in bytes. */
  readonly memoryBytes: number;
  readonly exportName: string;
  /** The variables of the function. */
  readonly env: Readonly<Record<string, string>>;
  /** @throws {TypeError} that names the module and why it cannot be loaded */
  fail(why: string): never;
}

const MEMORY_BYTES = 128 * 1024 * 1024;

async function loadModule(load: LoadParcel, bytes: Uint8Array): Promise<Handler> {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot load module: ${why} (${load.name})`);
  };
  if (bytes[4] === 0x0d && bytes[6] === 1) fail("it is a component, and modules are what can be run");
  let module: WebAssembly.Module;
  try {
    module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    return fail(`it is not valid: ${error instanceof Error ? error.message : error}`);
  }
  const { memoryBytes = MEMORY_BYTES, exportName = "handle", env, name } = load;
  const memories = memoriesOf(bytes);
  try {
    for (const bounds of [...memories.imported.values(), ...memories.own]) checkMemory(bounds, memoryBytes);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const loaded: LoadedModule = { name, module, memories, memoryBytes, exportName, env, fail };
  if ((load.wasm?.abi ?? abiOf(module)) === "handle") return handleHandler(loaded);
  return fail("WASI is not there yet");
}

/** The ABI that a module is written for, as its imports and exports tell. */
function abiOf(module: WebAssembly.Module): "handle" | "wasi" {
  const imports = WebAssembly.Module.imports(module);
  if (imports.some((each) => each.module === WASI_MODULE)) return "wasi";
  const exports = WebAssembly.Module.exports(module);
  const isCommand = exports.some(({ name }) => name === "_start");
  return isCommand && imports.length === 0 ? "wasi" : "handle";
}
