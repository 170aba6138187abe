/**
 * The program that makes modules and a script of a component. It runs in a sealed instance of its own for each
 * component, as any program does that is sent: the component is its input, what jco makes of it its answer.
 */
import { INCOMING_HANDLER, isKnownInterface, waitingFunctions } from "../guest/component/interfaces.ts";
import { packTranspiled } from "../guest/component/transpiled.ts";

/** The script of jco, and its core modules in base64 by their names: `guest_code.ts` writes them in front of this. */
declare const JCO_SCRIPT: string;
declare const JCO_MODULES: Readonly<Record<string, string>>;

/** What is used of jco. */
interface Jco {
  readonly $init: Promise<void>;
  generate(component: Uint8Array, options: object): Generated;
}

interface Generated {
  readonly files: readonly (readonly [name: string, bytes: Uint8Array])[];
  readonly imports: readonly string[];
  readonly exports: readonly (readonly [name: string, kind: string])[];
}

const NAME = "component";

export default {
  async fetch(request: Request): Promise<Response> {
    return new Response(await transpile(await request.bytes()));
  },
};

async function transpile(component: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const fail = (why: string): never => {
    throw new TypeError(`Cannot load component: ${why}`);
  };
  const jco = await loadJco();
  let made: Generated;
  try {
    made = jco.generate(component, {
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

/** jco fetches its core modules as it is imported, and there is neither a network nor a file to read. */
async function loadJco(): Promise<Jco> {
  const fromProgram = async (address: unknown): Promise<Response> => {
    const encoded = JCO_MODULES[String(address).split("/").at(-1) ?? ""] ?? "";
    return new Response(Uint8Array.fromBase64(encoded), { headers: { "content-type": "application/wasm" } });
  };
  Object.assign(globalThis, { fetch: fromProgram });
  const jco = (await import(URL.createObjectURL(new File([JCO_SCRIPT], "jco.js")))) as Jco;
  await jco.$init;
  return jco;
}

/** What jco says: its own sentence, and the cause that lies deepest. */
function reasonOf(error: unknown): string {
  const { payload, message } = error as { readonly payload?: unknown; readonly message?: unknown };
  const lines = String(typeof payload === "string" ? payload : message).split("\n");
  const [first = "", ...causes] = lines.map((line) => line.trim().replace(/^\d+: /, "")).filter(Boolean);
  const deepest = causes.at(-1);
  return (deepest === undefined ? first : `${first}: ${deepest}`).slice(0, 500);
}
