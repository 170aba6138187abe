/** What Isopod is compared with: `deno`, `workerd` and `puppeteer-core`, from bench/package.json, installed when needed. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Paths of the peers' programs. */
export interface Tools {
  readonly deno: string;
  readonly workerd: string;
  readonly node: string;
  /** Names and versions, for the report. */
  readonly versions: Readonly<Record<string, string>>;
}

const CPU = process.arch === "arm64" ? "arm64" : "x64";
/** The platform's own packages: those that the others wrap in a script of Node. */
const DENO = `@deno/linux-${CPU}-glibc`;
/** What functions in a page are compared with. */
const PUPPETEER = "puppeteer-core";
const WORKERD = `@cloudflare/workerd-linux-${CPU === "x64" ? "64" : "arm64"}`;

/** Installs what is missing or of another version. @throws {Error} when npm fails or Node is missing */
export async function installTools(): Promise<Tools> {
  const manifest = JSON.parse(readFileSync(join(import.meta.dir, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const wanted = manifest.dependencies;
  const present = [versionOf(DENO), versionOf(WORKERD), versionOf(PUPPETEER)];
  if (present.join() !== [wanted.deno, wanted.workerd, wanted[PUPPETEER]].join()) {
    console.error("Installing the peers of the benchmark (npm ci in bench/) ...");
    const npm = Bun.spawn(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: import.meta.dir,
      stdout: "ignore",
      stderr: "pipe",
    });
    const [errors, code] = await Promise.all([npm.stderr.text(), npm.exited]);
    if (code !== 0) throw new Error(`Cannot install the peers: npm ended with ${code}: ${errors.trim()}`);
  }
  const node = Bun.which("node");
  if (node === null) throw new Error("Cannot find node on the PATH: the benchmark compares with node:http");
  const nodeVersion = Bun.spawnSync([node, "--version"]).stdout.toString().trim().slice(1);
  return {
    deno: join(folderOf(DENO) ?? "", "deno"),
    workerd: join(folderOf(WORKERD) ?? "", "bin", "workerd"),
    node,
    versions: { bun: Bun.version, node: nodeVersion, deno: versionOf(DENO) ?? "", workerd: versionOf(WORKERD) ?? "" },
  };
}

function folderOf(name: string): string | undefined {
  const manifest = join(import.meta.dir, "node_modules", name, "package.json");
  return existsSync(manifest) ? dirname(manifest) : undefined;
}

function versionOf(name: string): string | undefined {
  const folder = folderOf(name);
  if (folder === undefined) return undefined;
  return (createRequire(import.meta.url)(join(folder, "package.json")) as { version: string }).version;
}
