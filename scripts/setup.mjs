/**
 * Sets a checkout up: npm packages when they are missing or stale, and bubblewrap when it is missing.
 *
 * Runs before `npm start` and `npm test`, so what stands already must cost a few milliseconds only: one hash of the
 * lock file against a stamp in `node_modules`, and one look along the PATH. Plain JavaScript for any Node from 18.
 * It refuses nothing: without bubblewrap the server says itself what it cannot do.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findBun, ROOT } from "./find_bun.mjs";

const STAMP = join(ROOT, "node_modules", ".isopod-setup");
const INSTALL_MS_MAX = 10 * 60 * 1000;

/** The ways to install bubblewrap: `refresh` is tried when `install` fails on a machine that has never fetched its lists. */
const PACKAGE_MANAGERS = [
  {
    command: "apt-get",
    install: ["-o", "DPkg::Lock::Timeout=60", "install", "-y", "--no-install-recommends", "bubblewrap"],
    refresh: ["update"],
    line: "apt-get install -y bubblewrap",
  },
  { command: "dnf", install: ["install", "-y", "bubblewrap"], line: "dnf install -y bubblewrap" },
  { command: "apk", install: ["add", "bubblewrap"], refresh: ["update"], line: "apk add bubblewrap" },
  {
    command: "pacman",
    install: ["-S", "--noconfirm", "--needed", "bubblewrap"],
    refresh: ["-Sy", "--noconfirm"],
    line: "pacman -S bubblewrap",
  },
  {
    command: "zypper",
    install: ["--non-interactive", "install", "bubblewrap"],
    refresh: ["--non-interactive", "refresh"],
    line: "zypper install bubblewrap",
  },
];

/** Does all of it. Ends the process with a message when the npm packages cannot be installed. */
export function setUp() {
  setUpPackages();
  setUpBubblewrap();
}

function setUpPackages() {
  const lock = readFileSync(join(ROOT, "package-lock.json"));
  const stamp = `${createHash("sha256").update(lock).digest("hex")} ${process.platform}-${process.arch}\n`;
  if (readText(STAMP) === stamp) return;
  if (!isInstalled(lock)) {
    say("installing the npm packages ...");
    const npm = npmCommand();
    const args = [...npm.slice(1), "ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund"];
    const result = run(npm[0], args, { cwd: ROOT, shell: process.platform === "win32" });
    if (result.status !== 0) fail(`Cannot install the npm packages: npm ended with ${outcome(result)}`, result);
  }
  try {
    findBun();
  } catch (error) {
    fail(error.message);
  }
  try {
    writeFileSync(STAMP, stamp);
  } catch {
    // A folder that this user may only read: the next start compares the lock files again, which is correct too.
  }
}

/** Whether `node_modules` holds what the lock file names, as somebody's own `npm ci` would have left it. */
function isInstalled(lock) {
  const record = readText(join(ROOT, "node_modules", ".package-lock.json"));
  if (record === undefined) return false;
  const wanted = JSON.parse(lock.toString()).packages;
  const present = JSON.parse(record).packages;
  for (const [path, { version, optional, peer }] of Object.entries(wanted)) {
    if (path !== "" && present[path]?.version !== version && (present[path] || !(optional || peer))) return false;
  }
  return Object.keys(present).every((path) => path in wanted);
}

/** npm as it was started with, else the one on the PATH. */
function npmCommand() {
  const path = process.env.npm_execpath;
  return path && /npm-cli\.[cm]?js$/.test(path) ? [process.execPath, path] : ["npm"];
}

function setUpBubblewrap() {
  if (process.platform !== "linux" || onPath("bwrap")) return;
  const manager = PACKAGE_MANAGERS.find(({ command }) => onPath(command));
  if (manager === undefined) {
    say("bubblewrap is missing, which every sandbox needs: install the package `bubblewrap` of your distribution");
    return;
  }
  const prefix = privilege();
  if (prefix === undefined) {
    say(`bubblewrap is missing, which every sandbox needs. Type:\n\n    sudo ${manager.line}\n`);
    return;
  }
  say(`installing bubblewrap by ${manager.command} ...`);
  const start = (args) => {
    const [command, ...rest] = [...prefix, manager.command, ...args];
    return run(command, rest, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
  };
  let result = start(manager.install);
  if (result.status !== 0 && manager.refresh && start(manager.refresh).status === 0) result = start(manager.install);
  if (result.status === 0 && onPath("bwrap")) return;
  const log = lastLines(result);
  say(`Cannot install bubblewrap: ${manager.command} ended with ${outcome(result)}${log && `\n${log}`}`);
  say(`type, and see what it says:\n\n    sudo ${manager.line}\n`);
}

/** What to put before a command that only root may run; undefined when this user may not without a password. */
function privilege() {
  if (process.getuid?.() === 0) return [];
  if (!onPath("sudo")) return undefined;
  return spawnSync("sudo", ["-n", "true"], { stdio: "ignore", timeout: 10_000 }).status === 0
    ? ["sudo", "-n"]
    : undefined;
}

function onPath(command) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/bin", "/usr/bin", "/bin"];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return folder !== "";
    } catch {
      return false;
    }
  });
}

function run(command, args, options) {
  return spawnSync(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: INSTALL_MS_MAX,
    ...options,
  });
}

function outcome({ status, signal, error }) {
  return error?.message ?? signal ?? `code ${status}`;
}

function lastLines({ stdout, stderr }) {
  return `${stdout ?? ""}${stderr ?? ""}`.trimEnd().split("\n").slice(-15).join("\n");
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function say(text) {
  console.error(`isopod: ${text}`);
}

function fail(text, result) {
  if (result) console.error(lastLines(result));
  say(text);
  process.exit(1);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) setUp();
