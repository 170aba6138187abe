/**
 * Modules of the `handle` ABI: checked once, then an instance for each invocation.
 *
 * The export that is the function has neither parameters nor results; what it reads and answers goes through the
 * functions that it imports (`request_calls.ts`, `../host_calls/`). Where one of them may have to wait, the module's
 * stack is suspended (JSPI), and other invocations go on meanwhile.
 */
import type { Handler } from "../../../guest/evaluated.ts";
import { withoutPlace } from "../engine_messages.ts";
import { GuestMemory } from "../guest_memory.ts";
import { hostFunctionNames, hostFunctions, isHostFunction, mayWait } from "../host_calls/functions.ts";
import { HostInvocation } from "../host_calls/host_invocation.ts";
import { checkEntry } from "../known_signatures.ts";
import type { LoadedModule } from "../loaded_module.ts";
import { Memories } from "../memories.ts";
import { OWN_MEMORY } from "../own_memory.ts";
import { promising, suspending } from "../stack_switching.ts";
import { hasBody, isRequestFunction, RequestCalls, requestFunctionNames } from "./request_calls.ts";

/** What a module imports and exports. */
interface HandleModule extends LoadedModule {
  readonly requestFunctions: readonly string[];
  readonly hostFunctions: readonly string[];
  /** Of a module that imports its memory, or was made to. */
  readonly given: Memories | undefined;
  /** The name of the memory that it exports. */
  readonly own: string | undefined;
}

/** The handler of a module. @throws {TypeError} naming what the module imports or lacks */
export function handleHandler(loaded: LoadedModule): Handler {
  const module = checked(loaded);
  // Making a memory takes longer than all else, so that this one is for all invocations.
  const empty = new GuestMemory(new WebAssembly.Memory({ initial: 0 }));
  loaded.tryStart((request) => instantiate(module, new HostInvocation(empty, {}, loaded.env), request));
  return async (request, env) => {
    const invocation = new HostInvocation(empty, env, loaded.env);
    try {
      const { call, calls, waits, memory } = instantiate(module, invocation, request);
      if (waits) await promising(call)();
      else call();
      const response = calls.response();
      // After a trap, something of the instance may still be suspended.
      if (memory !== undefined) module.given?.giveBack(memory);
      return response;
    } catch (thrown) {
      if (thrown instanceof Error) thrown.message = withoutPlace(thrown.message);
      throw thrown;
    } finally {
      invocation.close();
    }
  };
}

function checked(loaded: LoadedModule): HandleModule {
  const { module, exportName, fail } = loaded;
  const requestFunctions: string[] = [];
  const functions: string[] = [];
  let imported: Memories | undefined;
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const bounds = kind === "memory" ? loaded.memories.imported.get(`${from}.${name}`) : undefined;
    if (from === OWN_MEMORY.module) continue;
    const isFunction = from === "env" && kind === "function";
    if (from === "env" && name === "memory" && bounds !== undefined)
      imported = new Memories(bounds, loaded.memoryBytes);
    else if (isFunction && isRequestFunction(name)) requestFunctions.push(name);
    else if (isFunction && isHostFunction(name)) functions.push(name);
    else {
      const there = [...requestFunctionNames(), ...hostFunctionNames()].join(", ");
      fail(`it imports the ${kind} "${from}.${name}"; there are env.memory, ${there}`);
    }
  }
  const exports = WebAssembly.Module.exports(module);
  if (!exports.some(({ name, kind }) => name === exportName && kind === "function")) {
    const there = exports.filter(({ kind }) => kind === "function").map(({ name }) => name);
    fail(`it has no function "${exportName}" among its exports: ${there.slice(0, 20).join(", ") || "there is none"}`);
  }
  checkEntry(loaded, exportName);
  const own = exports.find(({ kind }) => kind === "memory")?.name;
  if (imported === undefined && own === undefined && requestFunctions.length + functions.length > 0)
    fail("it neither imports nor exports a memory");
  return { ...loaded, requestFunctions, hostFunctions: functions, given: imported ?? loaded.ownMemory, own };
}

function instantiate(loaded: HandleModule, invocation: HostInvocation, request: Request) {
  const { module, given, own, exportName, fail } = loaded;
  const calls = new RequestCalls(invocation, request);
  const imports: Record<string, unknown> = {};
  let waits = false;
  for (const name of loaded.requestFunctions) {
    const call = (calls as unknown as Record<string, () => unknown>)[name]?.bind(calls);
    const suspends = name === "request_body" && hasBody(request);
    waits ||= suspends;
    imports[name] = suspends ? suspending(call) : call;
  }
  for (const [name, call] of hostFunctions(invocation, loaded.hostFunctions)) {
    waits ||= mayWait(name, invocation);
    imports[name] = call;
  }
  const memory = given?.take();
  if (memory !== undefined) imports["memory"] = memory;
  const env = imports as Bun.WebAssembly.ModuleImports;
  const { exports: exported } = new WebAssembly.Instance(module, { env, [OWN_MEMORY.module]: env });
  const used = memory ?? (own === undefined ? undefined : (exported[own] as WebAssembly.Memory));
  if (used !== undefined) invocation.memory = new GuestMemory(used);
  const call = exported[exportName] as () => void;
  if (call.length > 0) fail(`its export "${exportName}" has parameters, and what is called has none`);
  return { call, calls, waits, memory };
}
