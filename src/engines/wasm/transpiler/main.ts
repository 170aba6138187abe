/**
 * The program that makes modules and a script of a component. It runs in a sealed instance of its own for each
 * component, as any program does that is sent: the component is its input, what jco makes of it its answer.
 */
import "./modules_in_place.ts";
import { $init, generate } from "@bytecodealliance/jco-transpile/component";
import { INCOMING_HANDLER, isKnownInterface, waitingFunctions } from "../guest/component/interfaces.ts";
import { packTranspiled } from "../guest/component/transpiled.ts";

const NAME = "component";

export default {
  async fetch(request: Request): Promise<Response> {
    const name = new URL(request.url).searchParams.get("name") ?? "";
    return new Response(await transpile(await request.bytes(), name));
  },
};

async function transpile(component: Uint8Array, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot load component: ${why} (${name})`);
  };
  await $init;
  let made: ReturnType<typeof generate>;
  try {
    made = generate(component, {
      name: NAME,
      noTypescript: true,
      noNodejsCompat: true,
      instantiation: { tag: "sync" },
      asyncMode: { tag: "jspi", val: { imports: waitingFunctions(), exports: [`${INCOMING_HANDLER}#handle`] } },
    });
  } catch (error) {
    return fail(`it is not valid: ${reasonOf(error)}`);
  }
  const unknown = made.imports.find((each) => !isKnownInterface(each));
  if (unknown !== undefined) fail(`it imports the interface "${unknown}", which is not there`);
  const exported = made.exports.map(([each]) => each);
  if (!exported.some((each) => each.startsWith(`${INCOMING_HANDLER}@0.2.`))) {
    const there = exported.filter((each) => each.includes(":")).join(", ") || exported.join(", ") || "nothing";
    fail(`it does not export ${INCOMING_HANDLER} of WASI 0.2, but ${there.slice(0, 200)}`);
  }
  const files = new Map(made.files);
  const script = files.get(`${NAME}.js`) ?? fail("jco made no script of it");
  files.delete(`${NAME}.js`);
  return packTranspiled({ script, modules: files }) as Uint8Array<ArrayBuffer>;
}

/** The first line of what jco says, without the place in its own code. */
function reasonOf(error: unknown): string {
  const { payload, message } = error as { readonly payload?: unknown; readonly message?: unknown };
  return String(typeof payload === "string" ? payload : message)
    .split("\n")[0]
    ?.slice(0, 500) as string;
}
