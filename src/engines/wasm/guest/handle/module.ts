/**
 * Modules of the `handle` ABI: checked once, then an instance for each invocation.
 *
 * The export that is the function has neither parameters nor results; what it reads and answers goes through the
 * functions that it imports (`invocation.ts`). Where one of them may have to wait, the module's stack is suspended
 * (JSPI), and other invocations go on meanwhile.
 */
import type { Handler } from "../../../guest/evaluated.ts";
import { withoutPlace } from "../engine_messages.ts";
import { GuestMemory } from "../guest_memory.ts";
import type { LoadedModule } from "../loaded_module.ts";
import { Memories } from "../memories.ts";
import { promising, suspending } from "../stack_switching.ts";
import { HANDLE_FUNCTIONS, HandleInvocation, isHandleFunction, mayWait } from "./invocation.ts";

/** The handler of a module. @throws {TypeError} naming what the module imports or lacks */
export function handleHandler(loaded: LoadedModule): Handler {
  const { module, exportName, fail } = loaded;
  const functions: string[] = [];
  let memories: Memories | undefined;
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const bounds = kind === "memory" ? loaded.memories.imported.get(`${from}.${name}`) : undefined;
    if (from === "env" && name === "memory" && bounds !== undefined)
      memories = new Memories(bounds, loaded.memoryBytes);
    else if (from === "env" && kind === "function" && isHandleFunction(name)) functions.push(name);
    else fail(`it imports the ${kind} "${from}.${name}"; there are env.memory, ${HANDLE_FUNCTIONS.join(", ")}`);
  }
  const exports = WebAssembly.Module.exports(module);
  if (!exports.some(({ name, kind }) => name === exportName && kind === "function")) {
    const there = exports.filter(({ kind }) => kind === "function").map(({ name }) => name);
    fail(`it has no function "${exportName}" among its exports: ${there.slice(0, 20).join(", ") || "there is none"}`);
  }
  const own = exports.find(({ kind }) => kind === "memory")?.name;
  if (memories === undefined && own === undefined && functions.length > 0)
    fail("it neither imports nor exports a memory");
  // Making a memory takes longer than all else, so that this one is for all invocations.
  const empty = new GuestMemory(new WebAssembly.Memory({ initial: 0 }));
  return async (request, env) => {
    const invocation = new HandleInvocation(request, env, loaded.env, empty);
    const imports: Record<string, unknown> = {};
    let waits = false;
    for (const name of functions) {
      const call = invocation[name as keyof HandleInvocation] as (...args: never[]) => unknown;
      const suspends = mayWait(name, invocation);
      waits ||= suspends;
      imports[name] = suspends ? suspending(call) : call;
    }
    const memory = memories?.take();
    if (memory !== undefined) imports["memory"] = memory;
    try {
      const { exports: exported } = new WebAssembly.Instance(module, { env: imports as Bun.WebAssembly.ModuleImports });
      const used = memory ?? (own === undefined ? undefined : (exported[own] as WebAssembly.Memory));
      if (used !== undefined) invocation.memory = new GuestMemory(used);
      const call = exported[exportName] as () => void;
      if (call.length > 0) fail(`its export "${exportName}" has parameters, and the function of a module has none`);
      if (waits) await promising(call)();
      else call();
      const response = invocation.response();
      // After a trap, something of the instance may still be suspended.
      if (memory !== undefined) memories?.giveBack(memory);
      return response;
    } catch (thrown) {
      if (thrown instanceof Error) thrown.message = withoutPlace(thrown.message);
      throw thrown;
    } finally {
      invocation.close();
    }
  };
}
