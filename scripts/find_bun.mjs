/**
 * Finds the Bun binary that npm installed, and starts it.
 *
 * The package `bun` moves its binary into place by an install script; where such scripts are off, the binary is still
 * in the package of the platform (`@oven/bun-linux-x64`, ...). Plain JavaScript for any Node from 18 (and Bun), used
 * by `bin/isopod` and by the scripts beside this file. A Bun on the PATH is not used: its version is not ours.
 */
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { isatty } from "node:tty";
import { fileURLToPath } from "node:url";

/** Folder of the checkout, or of the installed package. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Without its install script the package `bun` holds a text of some hundred bytes under the binary's name. */
const PLACEHOLDER_BYTES_MAX = 1024 * 1024;

/** Neither `.env`, nor `bunfig.toml` (which may load code), nor automatic installs: the folder Isopod is started in is not trusted. */
const ISOPOD_FLAGS = ["--no-env-file", "--no-install", `--config=${join(ROOT, "scripts", "bunfig.toml")}`];

/** Path of the Bun binary. @throws {Error} that says which package is missing */
export function findBun() {
  if (process.versions.bun !== undefined) return process.execPath;
  const fromHere = createRequire(join(ROOT, "package.json"));
  const bunFolder = packageFolder(fromHere, "bun");
  const moved = bunFolder && join(bunFolder, "bin", "bun.exe");
  if (moved && isBinary(moved)) return moved;
  const fromBun = bunFolder ? createRequire(join(bunFolder, "package.json")) : fromHere;
  const names = platformPackages();
  for (const name of names) {
    const folder = packageFolder(fromBun, name) ?? packageFolder(fromHere, name);
    for (const file of ["bun", "bun.exe"]) {
      if (folder && isBinary(join(folder, "bin", file))) return join(folder, "bin", file);
    }
  }
  throw new Error(
    `Cannot find Bun: neither the package "bun" nor "${names[0]}" holds its binary (looked from ${ROOT}); ` +
      "run `npm install` there without --omit=optional",
  );
}

/** Starts Isopod's command line on Bun and becomes it: same terminal, same signals, same way to end. */
export function runIsopod(args) {
  runBun([...ISOPOD_FLAGS, join(ROOT, "src", "cli", "main.ts"), ...args]);
}

/** Starts Bun with `args` and ends as it ends. */
export function runBun(args) {
  // The pipe tells the command line that this process is gone, also when it was killed (src/cli/lifeline.ts).
  const env = { ...process.env, ISOPOD_LIFELINE_FD: "3" };
  const child = spawn(findBun(), args, { stdio: ["inherit", "inherit", "inherit", "pipe"], env });
  const forward = (signal) => {
    // A terminal sends Ctrl-C to the child as well, and a second one would mean "at once".
    if (signal !== "SIGINT" || !isatty(0)) child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, forward);
  child.on("error", (error) => {
    console.error(`Cannot start Bun: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of signals) process.off(name, forward);
    process.exitCode = 128 + (constants.signals[signal] ?? 0);
    process.kill(process.pid, signal);
  });
}

/** Names of the packages that may hold the binary for this machine, the best first. */
function platformPackages() {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const cpu = process.arch === "arm64" ? "aarch64" : process.arch;
  const name = `@oven/bun-${os}-${cpu}`;
  const gnuLoader = cpu === "aarch64" ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
  const abis = os !== "linux" ? [""] : existsSync(gnuLoader) ? ["", "-musl"] : ["-musl", ""];
  return abis.flatMap((abi) => [name + abi, `${name}${abi}-baseline`]);
}

function packageFolder(require, name) {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

function isBinary(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFile() === true && stat.size > PLACEHOLDER_BYTES_MAX;
}
