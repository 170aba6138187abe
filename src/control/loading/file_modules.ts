/**
 * What deployed functions import: files of their own project, and the packages that it has installed.
 *
 * A function is foreign code, and an import is a way to read: nothing outside the project's folder and its
 * `node_modules` is given out, and nothing whose name begins with a dot, no configuration of ours, no secret's file.
 */
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { exports, legacy } from "resolve.exports";
import { IsopodError } from "../../core/errors.ts";
import { type LoadedModule, loadedModule, type ModuleLoader, moduleKindOf } from "../../core/function.ts";

/** The largest module, in bytes. */
const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** A module that was found, and what tells whether it would be found again as it was. */
export interface FoundModule {
  readonly specifier: string;
  /** Folder of the module that imports it. */
  readonly folder: string;
  readonly path: string;
  readonly fingerprint: string;
  readonly target?: BundleTarget;
}

/** What modules are looked for: packages may have others for pages. */
export type BundleTarget = "browser" | undefined;

const ABSENT = {
  file: "there is no such file or package",
  package: "there is no such file or package; a package is installed where it is imported, by npm install or bun add",
};

/**
 * A loader for the function whose entry is the file at `entry`.
 * @param denied files that are not given out wherever they lie, by their real paths
 * @param found hears of each module before it is read
 */
export function createFileModules(
  entry: string,
  denied: ReadonlySet<string>,
  found: (module: FoundModule) => void,
  target?: BundleTarget,
): ModuleLoader {
  const roots = rootsOf(entry);
  return {
    async load(specifier, importer): Promise<LoadedModule> {
      const fail = (why: string): never => {
        throw new IsopodError("unresolved_import", {
          message: `Cannot resolve import "${specifier.slice(0, 200)}" of ${importer}: ${why}`,
        });
      };
      const folder = dirname(importer);
      const path = find(specifier, folder, target) ?? fail(ABSENT[/^[./]/.test(specifier) ? "file" : "package"]);
      const root = roots.find((each) => path.startsWith(each + sep)) ?? fail(`it lies outside of ${roots[0]}`);
      if (isHidden(path.slice(root.length)) || denied.has(path)) fail("such files are never given to programs");
      if (statSync(path).size > FILE_BYTES_MAX) fail("it is larger than 16 MiB");
      found({ specifier, folder, path, fingerprint: fingerprintOf(path), target });
      return loadedModule(path, moduleKindOf(path), await Bun.file(path).bytes());
    },
  };
}

/** Whether a module would be found again where it was, and as it was. */
export function isUnchanged({ specifier, folder, path, fingerprint, target }: FoundModule): boolean {
  return find(specifier, folder, target) === path && fingerprintOf(path) === fingerprint;
}

/** Another one when a file has been written or replaced; empty when there is none. */
export function fingerprintOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? "" : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

/** Whether a path within its root is a configuration of ours, or has a part that begins with a dot; packages may. */
function isHidden(path: string): boolean {
  const [own = ""] = path.split(`${sep}node_modules${sep}`);
  return basename(path).startsWith(".") || basename(path) === "isopod.toml" || own.includes(`${sep}.`);
}

function find(specifier: string, folder: string, target: BundleTarget): string | undefined {
  try {
    const wanted = target === "browser" ? (forPages(specifier, folder) ?? specifier) : specifier;
    return realpathSync(Bun.resolveSync(wanted, folder));
  } catch {
    return undefined;
  }
}

/** The file that a package has for pages under the name `specifier`; undefined when it says nothing of pages. */
function forPages(specifier: string, folder: string): string | undefined {
  const [, name, rest = ""] = /^((?:@[^/]+\/)?[^./@:][^/:]*)(\/.*)?$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  const home = packageFolder(name, folder);
  if (home === undefined) return undefined;
  const said = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as Record<string, unknown>;
  const exported = said["exports"] === undefined ? undefined : exports(said, `.${rest}`, { browser: true });
  const file = exported?.[0] ?? (rest === "" ? legacy(said, { browser: true }) : undefined);
  return typeof file === "string" ? join(home, file) : undefined;
}

function packageFolder(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const home = join(folder, "node_modules", name);
    if (existsSync(join(home, "package.json"))) return home;
    if (folder === dirname(folder)) return undefined;
  }
}

/** The project's folder, and the `node_modules` above it that Node's resolution would look into. */
function rootsOf(entry: string): string[] {
  const own = dirname(realpathSync(entry));
  let project = own;
  const packages: string[] = [];
  for (let folder = own; ; folder = dirname(folder)) {
    const modules = join(folder, "node_modules");
    if (existsSync(modules)) packages.push(realpathSync(modules));
    if (project === own && existsSync(join(folder, "package.json"))) project = folder;
    if (folder === dirname(folder)) return [project, ...packages];
  }
}
