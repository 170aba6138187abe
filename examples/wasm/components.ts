/** Makes components from the text of their core modules, by the tools that come with jco. */
import { basename, dirname, join } from "node:path";

interface WasmTools {
  readonly $init: Promise<void>;
  readonly tools: {
    parse(text: string): Uint8Array;
    componentEmbed(options: { binary: Uint8Array; witSource: string; world: string }): Uint8Array;
    componentNew(module: Uint8Array, adapters: readonly unknown[]): Uint8Array;
  };
}

const WIT = join(import.meta.dir, "wit", "component.wit");
let loading: Promise<WasmTools["tools"]> | undefined;

/**
 * The component whose core module is `wat`, for the world of `wit/component.wit`; without one, what `wat` itself says.
 * @throws {Error} with the tools' words
 */
export async function buildComponent(wat: string): Promise<Uint8Array> {
  loading ??= loadTools();
  const { parse, componentEmbed, componentNew } = await loading;
  const module = parse(wat);
  if (/^\s*\(component\b/m.test(wat)) return module;
  const witSource = await Bun.file(WIT).text();
  return componentNew(componentEmbed({ binary: module, witSource, world: "isopod:sample/component" }), []);
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
