/**
 * Commands of WASI preview 1, run as CGI programs are: `_start` once an invocation, the request in the environment, its
 * body on standard input, the answer on standard output.
 */
import type { Handler } from "../../../guest/evaluated.ts";
import { withoutPlace } from "../engine_messages.ts";
import { GuestMemory } from "../guest_memory.ts";
import { hostFunctions, isHostFunction, mayWait } from "../host_calls/functions.ts";
import { HostInvocation } from "../host_calls/host_invocation.ts";
import { checkEntry } from "../known_signatures.ts";
import type { LoadedModule } from "../loaded_module.ts";
import { OWN_MEMORY } from "../own_memory.ts";
import { promising, suspending } from "../stack_switching.ts";
import { cgiResponse, cgiVariables } from "./cgi.ts";
import { directoriesOf } from "./directories.ts";
import { mountsOf, readTree } from "./files/tree.ts";
import { isWasiFunction, wasiFunctions, mayWait as wasiMayWait } from "./functions.ts";
import { CommandExit, type CommandInput, WasiSystem } from "./system.ts";

const WASI = "wasi_snapshot_preview1";
/** Where the functions are that modules of every ABI have. */
const HOST = "env";
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
  const { name: file, env: variables } = loaded;
  const imports = checkedImports(loaded);
  const { args = [], tmpBytes = TMP_BYTES, files = [] } = loaded.settings;
  const tree = readTree(files, loaded.files);
  const directories = directoriesOf(loaded.settings);
  const inputOf = (request: Request, stdin: Uint8Array, sent: unknown): CommandInput => ({
    args: [file, ...args, ...textsOf(sent)],
    variables: { ...variables, ...cgiVariables(request), CONTENT_LENGTH: String(stdin.length) },
    stdin,
    folders: mountsOf(tree, tmpBytes, directories.folders()),
    hasBuckets: directories.hasSome,
    stderr: (bytes) => console.error("%s", new TextDecoder().decode(bytes).replace(/\n$/, "")),
  });
  const nowhere = new GuestMemory(new WebAssembly.Memory({ initial: 0 }));
  loaded.tryStart((request) => {
    const invocation = new HostInvocation(nowhere, {}, variables);
    instantiate(loaded, imports, invocation, new WasiSystem(invocation, inputOf(request, NOTHING, undefined)));
  });
  return async (request, env, { args: sent }) => {
    const stdin = request.body === null ? NOTHING : await request.bytes();
    const invocation = new HostInvocation(nowhere, env, variables);
    if (directories.hasSome) await directories.refresh(invocation);
    const system = new WasiSystem(invocation, inputOf(request, stdin, sent));
    try {
      const { start, waits } = instantiate(loaded, imports, invocation, system);
      if (waits) await promising(start)();
      else start();
    } catch (thrown) {
      if (thrown instanceof Error) thrown.message = withoutPlace(thrown.message);
      if (!(thrown instanceof CommandExit) || thrown.code !== 0) throw thrown;
    } finally {
      invocation.close();
    }
    // It has returned, or has ended itself: nothing of it runs any more.
    loaded.ownMemory?.giveBack(invocation.memory.memory);
    return cgiResponse(system.output());
  };
}

/** What a command imports, by the names of its functions. */
interface CommandImports {
  readonly wasi: readonly string[];
  readonly host: readonly string[];
}

function instantiate(
  { module, ownMemory }: LoadedModule,
  { wasi, host }: CommandImports,
  invocation: HostInvocation,
  system: WasiSystem,
): { readonly start: () => void; readonly waits: boolean } {
  const functions: Record<string, unknown> = {};
  for (const [name, call] of wasiFunctions(system, wasi))
    functions[name] = wasiMayWait(name, system) ? suspending(call) : call;
  const memory = ownMemory?.take();
  const { exports: exported } = new WebAssembly.Instance(module, {
    ...(memory && { [OWN_MEMORY.module]: { memory } }),
    [WASI]: functions as Bun.WebAssembly.ModuleImports,
    [HOST]: Object.fromEntries(hostFunctions(invocation, host)) as Bun.WebAssembly.ModuleImports,
  });
  invocation.memory = new GuestMemory(exported["memory"] as WebAssembly.Memory);
  const waits = wasi.some((name) => wasiMayWait(name, system)) || host.some((name) => mayWait(name, invocation));
  return { start: exported[START] as () => void, waits };
}

/** The names of what the module imports. @throws {TypeError} for what is not there, or what it lacks */
function checkedImports(loaded: LoadedModule): CommandImports {
  const { module, fail } = loaded;
  const [wasi, host]: [string[], string[]] = [[], []];
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (from === OWN_MEMORY.module) continue;
    if (from === WASI && kind === "function" && isWasiFunction(name)) wasi.push(name);
    else if (from === HOST && kind === "function" && isHostFunction(name)) host.push(name);
    else fail(`it imports the ${kind} "${from}.${name}", which a command of WASI preview 1 does not have`);
  }
  const exports = WebAssembly.Module.exports(module);
  const has = (name: string, kind: string) => exports.some((each) => each.name === name && each.kind === kind);
  if (!has(START, "function")) fail(`it is to be a command of WASI, and has no function "${START}" among its exports`);
  if (!has("memory", "memory")) fail('it exports no memory named "memory"');
  checkEntry(loaded, START);
  return { wasi, host };
}

/** Arguments that come with the request, where they are a list of texts. */
function textsOf(sent: unknown): string[] {
  return Array.isArray(sent) && sent.every((each) => typeof each === "string") ? (sent as string[]) : [];
}
