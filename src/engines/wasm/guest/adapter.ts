/**
 * The adapter for WebAssembly: checks a module, and makes a handler of it by the ABI that it is spoken to; what was made of
 * a component goes its own way. Modules are compiled once; every invocation has an instance, and a memory, of its own.
 */
import { decodeParcel, type LoadParcel } from "../../../wire/parcels.ts";
import type { Handler, PendingProgram, ProgramAdapter } from "../../guest/evaluated.ts";
import { withoutPlace } from "./engine_messages.ts";
import { handleHandler } from "./handle/module.ts";
import type { LoadedModule } from "./loaded_module.ts";
import { checkMemory } from "./memories.ts";
import { memoriesOf } from "./sections.ts";
import { commandHandler, isCommand } from "./wasi/command.ts";

/** Takes modules. */
export const wasmAdapter: ProgramAdapter = {
  read(load, bytes): PendingProgram | undefined {
    if (load.language !== "wasm" && load.language !== "component") return undefined;
    return {
      isModule: true,
      async evaluate() {
        const loading = load.language === "wasm" ? loadModule(load, bytes) : loadComponent(load, bytes);
        return { handler: await loading, exported: {}, own: {} };
      },
    };
  },
};

/** What runs components comes with the program, so that no other guest pays for it. */
async function loadComponent(load: LoadParcel, payload: Uint8Array): Promise<Handler> {
  const { json: runtime, bytes } = decodeParcel(payload);
  const address = URL.createObjectURL(new File([runtime as string], "components.js"));
  const { componentHandler } = (await import(address)) as typeof import("./component/component.ts");
  URL.revokeObjectURL(address);
  return componentHandler(load, bytes);
}

const MEMORY_BYTES = 128 * 1024 * 1024;

async function loadModule(load: LoadParcel, bytes: Uint8Array): Promise<Handler> {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot load module: ${why} (${load.name})`);
  };
  let module: WebAssembly.Module;
  try {
    module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    return fail(`it is not valid: ${error instanceof Error ? withoutPlace(error.message) : error}`);
  }
  const { memoryBytes = MEMORY_BYTES, exportName = "handle", env, name } = load;
  const memories = memoriesOf(bytes);
  try {
    for (const bounds of [...memories.imported.values(), ...memories.own]) checkMemory(bounds, memoryBytes);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  const loaded: LoadedModule = { name, module, memories, memoryBytes, exportName, env, fail };
  return isCommand(module, exportName) ? commandHandler(loaded) : handleHandler(loaded);
}
