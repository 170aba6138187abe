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
import { mountsOf, readTree } from "./files/tree.ts";
import { isWasiFunction, WAITING, wasiFunctions } from "./functions.ts";
import { CommandExit, WasiSystem } from "./system.ts";

const WASI = "wasi_snapshot_preview1";
const START = "_start";
const NOTHING = new Uint8Array(0);
/** What `/tmp` holds where nothing is said. */
const TMP_BYTES = 16 * 1024 * 1024;

/** Whether a module is such a command, or means to be one. */
export function isCommand(module: WebAssembly.Module, exportName: string): boolean {
  if (WebAssembly.Module.imports(module).some((each) => each.module === WASI)) return true;
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  return names.includes(START) && !names.includes(exportName);
}

/** The handler of a command. @throws {TypeError} naming what the module imports or lacks */
export function commandHandler(loaded: LoadedModule): Handler {
  const { module, name: file, env: variables, fail } = loaded;
  const names = checkedImports(loaded);
  const waits = names.includes(WAITING);
  const { args = [], tmpBytes = TMP_BYTES, files = [] } = loaded.settings;
  const tree = readTree(files, loaded.files);
  return async (request, _env, { args: sent }) => {
    const stdin = request.body === null ? NOTHING : await request.bytes();
    let memory: GuestMemory | undefined;
    const system = new WasiSystem(() => memory ?? fail("it calls WASI before it is started"), {
      args: [file, ...args, ...textsOf(sent)],
      variables: { ...variables, ...cgiVariables(request), CONTENT_LENGTH: String(stdin.length) },
      stdin,
      folders: mountsOf(tree, tmpBytes),
      stderr: (bytes) => console.error("%s", new TextDecoder().decode(bytes).replace(/\n$/, "")),
    });
    const functions: Record<string, unknown> = {};
    for (const [name, call] of wasiFunctions(system, names))
      functions[name] = name === WAITING ? suspending(call) : call;
    try {
      const instance = new WebAssembly.Instance(module, { [WASI]: functions as Bun.WebAssembly.ModuleImports });
      memory = new GuestMemory(instance.exports["memory"] as WebAssembly.Memory);
      const start = instance.exports[START] as () => void;
      if (waits) await promising(start)();
      else start();
    } catch (thrown) {
      if (thrown instanceof Error) thrown.message = withoutPlace(thrown.message);
      if (!(thrown instanceof CommandExit) || thrown.code !== 0) throw thrown;
    }
    return cgiResponse(system.output());
  };
}

/** The names of what the module imports. @throws {TypeError} for what is not there, or what it lacks */
function checkedImports({ module, fail }: LoadedModule): string[] {
  const imports = WebAssembly.Module.imports(module);
  for (const { module: from, name, kind } of imports) {
    if (from === WASI && kind === "function" && isWasiFunction(name)) continue;
    fail(`it imports the ${kind} "${from}.${name}", which a command of WASI preview 1 does not have`);
  }
  const exports = WebAssembly.Module.exports(module);
  const has = (name: string, kind: string) => exports.some((each) => each.name === name && each.kind === kind);
  if (!has(START, "function")) fail(`it is to be a command of WASI, and has no function "${START}" among its exports`);
  if (!has("memory", "memory")) fail('it exports no memory named "memory"');
  return imports.map(({ name }) => name);
}

/** Arguments that come with the request, where they are a list of texts. */
function textsOf(sent: unknown): string[] {
  return Array.isArray(sent) && sent.every((each) => typeof each === "string") ? (sent as string[]) : [];
}
