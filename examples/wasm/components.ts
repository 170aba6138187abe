/** Makes components from the text of their core modules, by the tools that come with jco. */
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

interface WasmTools {
  readonly $init: Promise<void>;
  readonly tools: {
    parse(text: string): Uint8Array;
    componentEmbed(options: { binary: Uint8Array; witSource: string; world: string }): Uint8Array;
    componentNew(module: Uint8Array, adapters: readonly unknown[]): Uint8Array;
  };
}

const FOLDER = join(import.meta.dir, "components");
const WIT = join(import.meta.dir, "wit", "component.wit");
let loading: Promise<WasmTools["tools"]> | undefined;

/**
 * The component whose core module is `wat`, for the world of `wit`, which is that of `wit/component.wit` when left out; what
 * is the text of a component itself is taken as it is.
 * @throws {Error} with the tools' words
 */
export async function buildComponent(wat: string, wit?: string): Promise<Uint8Array> {
  loading ??= loadTools();
  const { parse, componentEmbed, componentNew } = await loading;
  const module = parse(wat);
  if (/^\s*\(component\b/m.test(wat)) return module;
  const witSource = wit ?? (await readWit());
  return componentNew(componentEmbed({ binary: module, witSource, world: "isopod:sample/component" }), []);
}

/** The text of `wit/component.wit`. */
export function readWit(): Promise<string> {
  return Bun.file(WIT).text();
}

/** With the half of WASI that is for browsers: Node's starts a thread, and reads and writes files of this machine. */
async function loadTools(): Promise<WasmTools["tools"]> {
  const packages = dirname(dirname(Bun.resolveSync("@bytecodealliance/jco-transpile", import.meta.dir)));
  const path = join(packages, "vendor", "wasm-tools.js");
  const shim = dirname(Bun.resolveSync("@bytecodealliance/preview2-shim/cli", path));
  const { outputs } = await Bun.build({
    entrypoints: [path],
    target: "bun",
    define: { "import.meta.url": JSON.stringify(Bun.pathToFileURL(path).href) },
    plugins: [
      {
        name: "browser",
        setup(build) {
          build.onResolve({ filter: /^@bytecodealliance\/preview2-shim\// }, ({ path: name }) => ({
            path: join(shim, "..", "browser", `${basename(name)}.js`),
          }));
        },
      },
    ],
  });
  const address = URL.createObjectURL(new File([(await outputs[0]?.text()) ?? ""], "wasm-tools.js"));
  const { $init, tools } = (await import(address)) as WasmTools;
  URL.revokeObjectURL(address);
  await $init;
  return tools;
}

/** Those of the folder `components` by their files' names, as they are when they are made anew. */
export async function buildComponents(): Promise<Map<string, Uint8Array>> {
  const built = new Map<string, Uint8Array>();
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".wat"))) {
    const text = await Bun.file(join(FOLDER, file)).text();
    built.set(file.replace(/wat$/, "wasm"), await buildComponent(text));
  }
  return built;
}

if (import.meta.main) {
  for (const [file, bytes] of await buildComponents()) await Bun.write(join(FOLDER, file), bytes);
}
