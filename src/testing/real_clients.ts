/**
 * AWS's own runtime interface clients, from npm and PyPI, for tests: installed once a machine, below the cache of tests.
 *
 * The one for Node is compiled from C and C++, so it needs tools that a machine may lack. What cannot be had is no failure:
 * the reason is given, and the test that wants it says that it is skipped.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A client that is there, or why it is not. */
export type RealClient = { readonly folder: string } | { readonly missing: string };

const RIC_NODE = "3.3.0";
const RIC_PYTHON = "4.2.2";
const TOOLS = ["autoconf", "automake", "libtoolize", "cmake", "g++", "make"];
/** Where sandboxes find programs. */
const SANDBOX_PATH = "/usr/local/bin:/usr/bin:/bin";
const INSTALL_MS_MAX = 900_000;

/** `aws-lambda-ric` from npm, compiled here. */
export function nodeClient(): RealClient {
  const missing = TOOLS.find((tool) => Bun.which(tool) === null) ?? absent("node");
  if (missing !== undefined) return { missing: `there is no ${missing}` };
  return installed(`aws-lambda-ric-${RIC_NODE}`, (folder) => {
    const at = mkdtempSync(join(tmpdir(), "isopod-ric-"));
    try {
      const failed = run(["npm", "install", "--no-audit", "--no-fund", "--prefix", at, `aws-lambda-ric@${RIC_NODE}`]);
      const from = join(at, "node_modules", "aws-lambda-ric");
      if (failed !== undefined || !existsSync(join(from, "dist", "rapid-client.node")))
        return failed ?? "it was not built";
      for (const part of ["package.json", "bin", "dist"])
        cpSync(join(from, part), join(folder, part), { recursive: true });
      return undefined;
    } finally {
      rmSync(at, { recursive: true, force: true });
    }
  });
}

/** `awslambdaric` from PyPI, as a wheel. */
export function pythonClient(): RealClient {
  const missing = absent("python3");
  if (missing !== undefined) return { missing: `there is no ${missing}` };
  const python = Bun.which("python3", { PATH: SANDBOX_PATH }) as string;
  return installed(`awslambdaric-${RIC_PYTHON}`, (folder) => {
    const options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--target", folder];
    return run([python, "-m", "pip", "install", ...options, `awslambdaric==${RIC_PYTHON}`]);
  });
}

function absent(program: string): string | undefined {
  return Bun.which(program, { PATH: SANDBOX_PATH }) === null ? program : undefined;
}

/** A folder of the cache, filled by `fill`, which gives what it failed of. */
function installed(name: string, fill: (folder: string) => string | undefined): RealClient {
  const folder = join(process.env["ISOPOD_CACHE"] || tmpdir(), "real_clients", name);
  if (existsSync(folder)) return { folder };
  const made = `${folder}.${process.pid}`;
  mkdirSync(made, { recursive: true });
  const failed = fill(made);
  if (failed === undefined) {
    try {
      renameSync(made, folder);
    } catch (error) {
      // Another test run was faster.
      if (!existsSync(folder)) throw error;
    }
  }
  rmSync(made, { recursive: true, force: true });
  return failed === undefined ? { folder } : { missing: `${name} cannot be installed: ${failed}` };
}

/** The last line of what a command that fails has said; undefined when it succeeds. */
function run(command: readonly string[]): string | undefined {
  const { success, stdout, stderr } = Bun.spawnSync([...command], {
    ...{ stdout: "pipe", stderr: "pipe", timeout: INSTALL_MS_MAX },
    env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:${SANDBOX_PATH}` },
  });
  if (success) return undefined;
  return `${stdout}${stderr}`.trim().split("\n").at(-1)?.slice(0, 200) ?? "it failed";
}
