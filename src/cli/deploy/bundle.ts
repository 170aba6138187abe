/**
 * Bundles functions for a deploy: each becomes one file with a source map, packages included.
 *
 * The code is of whoever deploys, on their own machine, so that Bun's bundler may do here what it does. It runs as a
 * process, since the compiled executable's cannot bundle inside itself; one process for all of them. The same sources
 * give the same bytes: paths in the map begin at the project's folder.
 */
import { basename, relative } from "node:path";
import { CommandFailure } from "../exit_codes.ts";
import { frameOf } from "../terminal/code_frame.ts";
import { type Paint, printable } from "../terminal/terminal.ts";

/** What is bundled. */
export interface BundleSource {
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
  /** What it is to run in; a script when left out. */
  readonly engine?: string;
  /** What it begins with in the place of the file, and texts that lie nowhere, by their absolute paths. */
  readonly virtual?: { readonly entry: string; readonly files: Readonly<Record<string, string>> } | undefined;
}

/** A bundle. */
export interface Bundle {
  /** File name of the code; its map is `entry` and `.map`. */
  readonly entry: string;
  readonly code: string;
  readonly map: string;
  /** Files that it is made of, relative to the project's folder. */
  readonly sources: readonly string[];
}

interface BuildLog {
  readonly message: string;
  readonly position: { readonly file: string; readonly line: number; readonly column: number } | null;
}

interface Built {
  readonly code: string;
  readonly map: string;
  readonly logs: readonly BuildLog[];
}

const BUILD_MS_MAX = 120_000;

/** What runs in the process: reads entries from its input, writes what became of each to its output. */
const PROGRAM = `
const wasm = {
  name: "wasm",
  setup(build) {
    build.onLoad({ filter: /\\.wasm$/ }, async ({ path }) => {
      const bytes = await Bun.file(path).bytes();
      if (bytes[4] === 0x0d) throw new Error(path + " is a component, and scripts import modules of WebAssembly");
      if (bytes.length > 10485760) throw new Error(path + " is larger than 10 MiB");
      new WebAssembly.Module(bytes);
      const contents = 'export default new WebAssembly.Module(Uint8Array.fromBase64("' + bytes.toBase64() + '"));';
      return { contents, loader: "js" };
    });
  },
};
// Bun would put something empty in their place, and the page would find out.
const web = {
  name: "web",
  setup(build) {
    build.onResolve({ filter: /^(node|bun):/ }, ({ path }) => {
      const why = "modules of Node and of Bun are not there in a page, which has the APIs of the Web";
      throw new Error('Cannot resolve import "' + path + '": ' + why);
    });
  },
};
const built = [];
for (const { entry, files, engine } of await Bun.stdin.json()) {
  const define = { "process.env.NODE_ENV": '"production"' };
  const page = engine === "browser" && { target: "browser", define, plugins: [wasm, web] };
  const options = { target: "bun", sourcemap: "external", throw: false, plugins: [wasm], ...page };
  const { outputs, logs } = await Bun.build({ entrypoints: [entry], files, ...options });
  const text = async (kind) => (await outputs.find((each) => each.kind === kind)?.text()) ?? "";
  const told = logs.filter(({ level }) => level === "error").map(({ message, position }) => ({ message, position }));
  built.push({ code: await text("entry-point"), map: await text("sourcemap"), logs: told });
}
await Bun.write(Bun.stdout, JSON.stringify(built));
`;

/**
 * Bundles all of `sources`.
 * @throws {CommandFailure} with file, line, column and a frame of the first mistake of each that has one
 */
export async function bundle(sources: readonly BundleSource[], folder: string, paint: Paint): Promise<Bundle[]> {
  if (sources.length === 0) return [];
  const entries = sources.map(({ path, virtual, engine }) => ({ ...(virtual ?? { entry: path, files: {} }), engine }));
  const child = Bun.spawn([process.execPath, "-e", PROGRAM], {
    cwd: folder,
    stdio: [Buffer.from(JSON.stringify(entries)), "pipe", "pipe"],
    env: { ...process.env, BUN_BE_BUN: "1" },
    timeout: BUILD_MS_MAX,
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new CommandFailure(`Cannot bundle: the bundler ended with ${code}\n${printable(stderr)}`);
  const built = JSON.parse(stdout) as Built[];
  const broken = await Promise.all(
    sources.flatMap((source, at) => (built[at]?.logs ?? []).map((log) => describe(source, log, folder, paint))),
  );
  const absent = new Set(built.flatMap(({ logs }) => logs.flatMap(({ message }) => absentPackage(message) ?? [])));
  const hint = absent.size === 0 ? undefined : `npm install ${[...absent].join(" ")}, or bun add, where it is imported`;
  if (broken.length > 0) throw new CommandFailure(broken.join("\nisopod: "), { hint });
  return sources.map((source, at) => finish(source, built[at] as Built, folder));
}

function finish({ path }: BundleSource, { code, map }: Built, folder: string): Bundle {
  const { sources: found, mappings } = JSON.parse(map) as { sources: string[]; mappings: string };
  // Texts that lie nowhere are named by their whole path.
  const own = `${folder}/`;
  const sources = found.map((source) => (source.startsWith(own) ? source.slice(own.length) : source));
  return {
    entry: `${basename(path).replace(/\.[^.]*$/, "")}.js`,
    // Names the map by a hash that nobody asks for.
    code: code.replaceAll(`\n// ${own}`, "\n// ").replace(/\n\/\/# debugId=[0-9A-F]+\n*$/, "\n"),
    // Without the sources, which are most of it and stay at home.
    map: JSON.stringify({ version: 3, sources, names: [], mappings }),
    sources,
  };
}

/** The package that a message of the bundler misses. */
function absentPackage(message: string): string | undefined {
  return /^Could not resolve: "((?:@[^"/:]+\/)?[^"./:@][^"/:]*)(?:\/[^":]*)?"/.exec(message)?.[1];
}

async function describe({ name }: BundleSource, log: BuildLog, folder: string, paint: Paint): Promise<string> {
  const said = `Cannot bundle "${name}": ${log.message.replace(/\. Maybe you need to "bun install"\?$/, "")}`;
  if (log.position === null) return said;
  const { file, line, column } = log.position;
  return `${said} (${relative(folder, file)}:${line}:${column})${await frameOf(file, line, column, paint)}`;
}
