/**
 * The engines whose programs have bindings, and how each makes a program of the suite's. An engine joins by an entry of
 * the list; a binding by saying in the engine's language how something is kept and found again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { noChromium } from "./browser_rig.ts";
import { RT } from "./process_rig.ts";

/** What a program does with its binding `B`, in one language. */
export interface EnvCode {
  /** Keeps `text` under `id`; throws an error that has a `code`. */
  readonly write: string;
  /** Gives the text, or null. */
  readonly read: string;
}

/** A program that answers `?do=write|read|kind|later|told` as JSON. */
export interface EnvProgram {
  /** What the configuration says of it beside its name, routes and bindings. */
  readonly table: string;
  /** Its files, from the configuration's folder. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** What a deploy of it says beside its routes and settings. */
  readonly deploy: Readonly<Record<string, unknown>>;
  /** What `/run` is sent, where its engine takes programs with requests. */
  readonly sent?: string | Uint8Array<ArrayBuffer>;
  /** What says there that it is no script. */
  readonly sentHeaders?: Readonly<Record<string, string>>;
}

/** An engine. */
export interface EnvEngine {
  readonly name: string;
  readonly language: "script" | "python";
  /** Whose a call is: the invocation's that made it, or of the one that runs then; undefined where none outlives its invocation. */
  readonly calls?: "of-maker" | "of-running";
  /** The types of bindings that its programs have; all of them when left out. */
  readonly types?: readonly string[];
  program(code: EnvCode): EnvProgram;
}

/** The engines. */
export const ENV_ENGINES: readonly EnvEngine[] = [
  { name: "script", language: "script", calls: "of-maker", program: scriptProgram },
  { name: "process", language: "python", calls: "of-running", program: pythonProgram },
  { name: "wasm", language: "script", types: ["kv", "sql", "blob", "queue", "function"], program: moduleProgram },
  ...(noChromium ? [] : [{ name: "browser", language: "script", calls: "of-running", program: pageProgram } as const]),
];

/** One module for all bindings: it finds out what `B` is, and has its own code for each. */
function moduleProgram(): EnvProgram {
  const code = new Uint8Array(readFileSync(join(import.meta.dir, "wasm_bindings.wasm")));
  const files = [{ path: "f.wasm", contentBase64: code.toBase64() }];
  return {
    ...{ table: 'path = "./f.wasm"', files: { "f.wasm": code }, deploy: { engine: "wasm", entry: "f.wasm", files } },
    ...{ sent: code, sentHeaders: { "content-type": "application/wasm" } },
  };
}

function scriptProgram(given: EnvCode): EnvProgram {
  const code = scriptOf(given, "new Promise((resolve) => { goOn = resolve; }).then(() => read(env.B, id))");
  const files = [{ path: "main.js", content: code }];
  return { table: 'path = "./f.js"', files: { "f.js": code }, deploy: { files }, sent: code };
}

const UNTIL_DENIED = `for (;;) {
  await read(env.B, id).catch((error) => { if (error.code === "binding_denied") throw error; });
  await new Promise((resolve) => setTimeout(resolve, 1));
}`;

/** The script's code, in a page, where it asks on and on as a program does. */
function pageProgram(given: EnvCode): EnvProgram {
  const code = scriptOf(given, `(async () => { ${UNTIL_DENIED} })()`, "Promise.race([later, {}])");
  const files = [{ path: "index.js", content: code }];
  return {
    table: 'engine = "browser"\npath = "./f"',
    files: { "f/index.js": code },
    deploy: { engine: "browser", entry: "index.js", files },
    sent: code,
    sentHeaders: { "isopod-engine": "browser" },
  };
}

/**
 * @param later an expression that reads once its invocation is over, when `goOn` is called or before
 * @param seen what is known of that
 */
function scriptOf({ write, read }: EnvCode, later: string, seen = "later"): string {
  return `
    const write = async (B, id, text) => { ${write} };
    const read = async (B, id) => { ${read} };
    const told = (call) => call.then((value) => ({ value: value ?? null }), (error) => ({
      code: error.code, isError: error instanceof Error, message: error.message,
    }));
    let later, goOn = () => {};
    export default async (request, env) => {
      const { searchParams } = new URL(request.url);
      const [what, id, text] = ["do", "id", "text"].map((name) => searchParams.get(name));
      if (what === "kind") return Response.json({ value: typeof env.B });
      if (what === "write") return Response.json(await told(write(env.B, id, text)));
      if (what === "read") return Response.json(await told(read(env.B, id)));
      if (what === "later") {
        later = told(${later});
        return Response.json({});
      }
      goOn();
      return Response.json(await ${seen});
    };
  `;
}

/**
 * `B(method, path, body)` is a call over the sandbox's loopback: its status and bytes, or an error with the code.
 *
 * A program's calls belong to the invocation that runs when they are made, so what is to outlive one asks on and on,
 * until it is denied between two of them.
 */
function pythonProgram({ write, read }: EnvCode): EnvProgram {
  const indented = (lines: string) => lines.trim().replaceAll(/^/gm, "    ");
  const code = `#!/usr/bin/python3
import rt, os, sys, json, threading, http.client
from urllib.parse import quote, urlsplit
class Refused(Exception):
    pass
BOUND = urlsplit(os.environ["ISOPOD_BINDINGS"])
def B(method, path, body=None):
    c = http.client.HTTPConnection(BOUND.hostname, BOUND.port, timeout=30)
    try:
        c.request(method, BOUND.path + "/B" + path, body)
        r = c.getresponse()
        b = r.read()
    except (http.client.HTTPException, OSError): raise Refused({"code": "cut_off"})
    finally: c.close()
    if r.status in (200, 204, 404): return r.status, b
    raise Refused(json.loads(b)["error"])
def write(id, text):
${indented(write)}
def read(id):
${indented(read)}
def told(f, *args):
    try: return {"value": f(*args)}
    except Refused as e: return {**e.args[0], "isError": True}
seen = {}
def until_denied(id):
    global seen
    while seen.get("code") != "binding_denied": seen = told(read, id)
def handle(event):
    q = event["queryStringParameters"]
    if q["do"] == "kind":
        kind = told(lambda: B("GET", "/"))
        return {"value": "undefined" if kind.get("code") == "binding_denied" else "object"}
    if q["do"] == "write": return told(write, q["id"], q["text"])
    if q["do"] == "read": return told(read, q["id"])
    if q["do"] == "later":
        threading.Thread(target=until_denied, args=[q["id"]], daemon=True).start()
        return {}
    return seen
rt.serve(handle)
`;
  return {
    table: 'path = "./f"\ncommand = "python3 -u main.py"',
    files: { "f/main.py": code, "f/rt.py": RT },
    deploy: {
      ...{ engine: "process", entry: "main.py" },
      files: [
        { path: "main.py", content: code },
        { path: "rt.py", content: RT },
      ],
    },
  };
}
