/**
 * Components of `wasi:http/proxy`, transpiled by jco: compiled once, then an instance, with memories and tables of its
 * own, for each invocation. A bundle of its own (`guest_code.ts`), which a guest is given with its component.
 */
import type { InvocationContext } from "../../../../core/guest.ts";
import type { LoadParcel } from "../../../../wire/parcels.ts";
import type { Handler } from "../../../guest/evaluated.ts";
import { withoutPlace } from "../engine_messages.ts";
import { checkMemory } from "../memories.ts";
import { memoriesOf } from "../sections.ts";
import { INCOMING_HANDLER } from "./interfaces.ts";
import { ComponentTrap, Lifetime } from "./lifetime.ts";
import { IncomingRequest } from "./requests.ts";
import { type Outcome, ResponseOutparam } from "./responses.ts";
import { unpackTranspiled } from "./transpiled.ts";
import { createWorld, isOrderlyExit } from "./world.ts";

type Instantiate = (
  coreModule: (name: string) => WebAssembly.Module,
  imports: object,
) => Readonly<Record<string, { handle(request: IncomingRequest, out: ResponseOutparam): Promise<void> }>>;

const MEMORY_BYTES = 128 * 1024 * 1024;

/** The handler of a component. @throws {TypeError} that says why it cannot be loaded */
export async function componentHandler(load: LoadParcel, payload: Uint8Array): Promise<Handler> {
  const { env: variables, name } = load;
  const fail = (why: string): never => {
    throw new TypeError(`Cannot load component: ${why} (${name})`);
  };
  const { script, modules } = unpackTranspiled(payload);
  const compiled = compile(modules, load, fail);
  const address = URL.createObjectURL(new File([script as Uint8Array<ArrayBuffer>], "component.js"));
  const { instantiate } = (await import(address)) as { readonly instantiate: Instantiate };
  URL.revokeObjectURL(address);
  const start = (lifetime: Lifetime, env: Readonly<Record<string, unknown>>, isTrial = false) => {
    const world = createWorld({ lifetime, env, variables, name });
    const imports = isTrial ? strictly(world.imports) : world.imports;
    const exported = instantiate((each) => compiled.get(each) as WebAssembly.Module, imports);
    const entry = Object.keys(exported).find((each) => each.startsWith(`${INCOMING_HANDLER}@`)) ?? "incomingHandler";
    return { world, handler: exported[entry] ?? fail(`it does not export ${INCOMING_HANDLER}`) };
  };
  const trial = new Lifetime();
  try {
    // What cannot be instantiated is known now, and not when the first request comes.
    start(trial, {}, true);
  } catch (error) {
    fail(`it cannot be instantiated: ${error instanceof Error ? withoutPlace(error.message) : error}`);
  } finally {
    trial.end(new Error("it was a trial"));
  }
  return (request, env, context) => invoke(request, context, (lifetime) => start(lifetime, env));
}

/** Imports that name what is asked for and is not there: of jco's script, each invocation would find out anew. */
function strictly(imports: Readonly<Record<string, object>>): object {
  const strict = Object.entries(imports).map(([from, members]) => {
    const get = (target: object, member: string): unknown => {
      if (Object.hasOwn(target, member)) return target[member as keyof object];
      throw new TypeError(`it imports "${member}" of the interface "${from}", which is not there`);
    };
    return [from, new Proxy(members, { get: get as (target: object, member: string | symbol) => unknown })];
  });
  return Object.fromEntries(strict);
}

/** The core modules, compiled and with memories that the function may have. */
function compile(
  modules: ReadonlyMap<string, Uint8Array>,
  { memoryBytes = MEMORY_BYTES }: LoadParcel,
  fail: (why: string) => never,
): Map<string, WebAssembly.Module> {
  const compiled = new Map<string, WebAssembly.Module>();
  for (const [name, bytes] of modules) {
    try {
      compiled.set(name, new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>));
      const { imported, own } = memoriesOf(bytes);
      for (const bounds of [...imported.values(), ...own]) checkMemory(bounds, memoryBytes);
    } catch (error) {
      fail(error instanceof Error ? withoutPlace(error.message) : String(error));
    }
  }
  return compiled;
}

type Start = (lifetime: Lifetime) => {
  readonly world: { end(): void };
  readonly handler: { handle(request: IncomingRequest, out: ResponseOutparam): Promise<void> };
};

/** One invocation: the answer is there when the component has set it, and its body as the component goes on. */
async function invoke(request: Request, context: InvocationContext, start: Start): Promise<Response> {
  const lifetime = new Lifetime();
  const hangUp = () => lifetime.end(request.signal.reason);
  request.signal.addEventListener("abort", hangUp);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  let outcome: Outcome | undefined;
  const out = new ResponseOutparam((value) => {
    outcome = value;
    if (value.tag === "ok") resolve(value.val.toResponse());
    else reject(new Error(`it answered with the error ${value.val.tag}${detailOf(value.val.val)}`));
  });
  const run = async () => {
    let failure: Error | undefined;
    const { world, handler } = start(lifetime);
    try {
      await handler.handle(new IncomingRequest(lifetime, request), out);
    } catch (thrown) {
      if (!isOrderlyExit(thrown)) failure = asError(thrown);
    }
    world.end();
    const { outgoingBody } = outcome?.tag === "ok" ? outcome.val : {};
    outgoingBody?.sink.fail(failure ?? new Error("it returned before it had finished its body"));
    if (failure !== undefined && outcome !== undefined && !lifetime.signal.aborted) console.error(failure);
    reject(failure ?? new Error("it returned without an answer"));
  };
  const over = run()
    .catch(reject)
    .finally(() => {
      request.signal.removeEventListener("abort", hangUp);
      lifetime.end(new Error("the invocation is over"));
    });
  context.waitUntil(over);
  return promise;
}

/** What jco and the classes of resources say of a handle that is not there. */
const WRONG_HANDLE = /^(Invalid handle|Resource error|Cannot access (invalid )?private)/;

function detailOf(value: unknown): string {
  return typeof value === "string" ? `: ${value}` : "";
}

function asError(thrown: unknown): Error {
  if (!(thrown instanceof Error)) return new Error(String(thrown));
  if (thrown instanceof TypeError && WRONG_HANDLE.test(thrown.message)) {
    return new ComponentTrap("it uses a handle that it does not hold, or holds no more");
  }
  thrown.message = withoutPlace(thrown.message);
  return thrown;
}
