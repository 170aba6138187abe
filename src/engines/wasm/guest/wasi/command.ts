/**
 * Commands of WASI preview 1, run as CGI programs are: `_start` once an invocation, the request in the environment, its
 * body on standard input, the answer on standard output.
 */
import type { Handler } from "../../../guest/evaluated.ts";
import { withoutPlace } from "../engine_messages.ts";
import { GuestMemory } from "../guest_memory.ts";
import type { LoadedModule } from "../loaded_module.ts";
import { promising, suspending } from "../stack_switching.ts";
import { cgiResponse, cgiVariables } from "./cgi.ts";
import { wasiFunction } from "./functions.ts";
import { CommandExit, WasiSystem } from "./system.ts";

const WASI = "wasi_snapshot_preview1";
const START = "_start";
const NOTHING = new Uint8Array(0);

/** Whether a module is such a command, or means to be one. */
export function isCommand(module: WebAssembly.Module, exportName: string): boolean {
  if (WebAssembly.Module.imports(module).some((each) => each.module === WASI)) return true;
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  return names.includes(START) && !names.includes(exportName);
}

/** The handler of a command. @throws {TypeError} naming what the module imports or lacks */
export function commandHandler(loaded: LoadedModule): Handler {
  const { module, name: file, env: variables, fail } = loaded;
  const imports = WebAssembly.Module.imports(module);
  const known = new WasiSystem(() => new GuestMemory(new WebAssembly.Memory({ initial: 0 })), {
    ...{ args: [], variables: {}, stdin: NOTHING, stderr: () => {} },
  });
  for (const { module: from, name, kind } of imports) {
    if (from === WASI && kind === "function" && wasiFunction(known, name) !== undefined) continue;
    fail(`it imports the ${kind} "${from}.${name}", which a command of WASI preview 1 does not have`);
  }
  const exports = WebAssembly.Module.exports(module);
  const has = (name: string, kind: string) => exports.some((each) => each.name === name && each.kind === kind);
  if (!has(START, "function")) fail(`it imports WASI, and has no function "${START}" among its exports`);
  if (!has("memory", "memory")) fail('it exports no memory named "memory"');
  const sleeps = imports.some(({ name }) => name === "poll_oneoff");
  return async (request) => {
    const stdin = request.body === null ? NOTHING : await request.bytes();
    let memory: GuestMemory | undefined;
    const system = new WasiSystem(() => memory ?? fail("it calls WASI before it is started"), {
      args: [file],
      variables: { ...variables, ...cgiVariables(request), CONTENT_LENGTH: String(stdin.length) },
      stdin,
      stderr: (bytes) => console.error("%s", new TextDecoder().decode(bytes).replace(/\n$/, "")),
    });
    const functions: Record<string, unknown> = {};
    for (const { name } of imports) {
      const call = wasiFunction(system, name);
      functions[name] = name === "poll_oneoff" ? suspending(call) : call;
    }
    try {
      const instance = new WebAssembly.Instance(module, { [WASI]: functions as Bun.WebAssembly.ModuleImports });
      memory = new GuestMemory(instance.exports["memory"] as WebAssembly.Memory);
      const start = instance.exports[START] as () => void;
      if (sleeps) await promising(start)();
      else start();
    } catch (thrown) {
      if (thrown instanceof Error) thrown.message = withoutPlace(thrown.message);
      if (!(thrown instanceof CommandExit) || thrown.code !== 0) throw thrown;
    }
    return cgiResponse(system.output());
  };
}
