/**
 * Installs what only the system's package manager has, where it is missing and this user may; else prints the one line
 * to type. Plain JavaScript for any Node from 18.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

const INSTALL_MS_MAX = 10 * 60 * 1000;

/** How each manager installs packages: `refresh` is tried when that fails on a machine that has never fetched its lists. */
const MANAGERS = [
  {
    command: "apt-get",
    install: ["-o", "DPkg::Lock::Timeout=60", "install", "-y", "--no-install-recommends"],
    refresh: ["update"],
    line: "apt-get install -y",
  },
  { command: "dnf", install: ["install", "-y"], line: "dnf install -y" },
  { command: "apk", install: ["add"], refresh: ["update"], line: "apk add" },
  {
    command: "pacman",
    install: ["-S", "--noconfirm", "--needed"],
    refresh: ["-Sy", "--noconfirm"],
    line: "pacman -S",
  },
  {
    command: "zypper",
    install: ["--non-interactive", "install"],
    refresh: ["--non-interactive", "refresh"],
    line: "zypper install",
  },
];

/** What every sandbox needs. */
export const BUBBLEWRAP = {
  what: "bubblewrap is missing, which every sandbox needs",
  isPresent: () => onPath("bwrap"),
  names: { "apt-get": "bubblewrap", dnf: "bubblewrap", apk: "bubblewrap", pacman: "bubblewrap", zypper: "bubblewrap" },
};

/** What functions of the `browser` engine run in. */
export const BROWSER = {
  what: "a headless Chromium is missing, which functions of the browser engine need",
  isPresent: () =>
    process.env.ISOPOD_CHROMIUM !== undefined ||
    ["/usr/lib/chromium/chromium-headless-shell", "/usr/lib/chromium/chromium", "/opt/google/chrome/chrome"].some(
      isFile,
    ) ||
    onPath("chrome-headless-shell"),
  names: { "apt-get": "chromium-headless-shell", dnf: "chromium-headless" },
};

/** What the tests of the PostgreSQL dialect start a server from. */
export const POSTGRES = {
  what: "PostgreSQL is missing, which the tests of its dialect start",
  isPresent: () => onPath("initdb") || postgresFolders().length > 0,
  names: { "apt-get": "postgresql", dnf: "postgresql-server", apk: "postgresql", pacman: "postgresql" },
};

/** Installs each of `wanted` that is missing. Refuses nothing: who needs it says so. */
export function installMissing(wanted) {
  if (process.platform !== "linux") return;
  for (const one of wanted) if (!one.isPresent()) install(one);
}

function install({ what, isPresent, names }) {
  const manager = MANAGERS.find(({ command }) => onPath(command));
  const name = manager && names[manager.command];
  if (name === undefined) {
    say(`${what}: install it as your distribution has it`);
    return;
  }
  const prefix = privilege();
  if (prefix === undefined) {
    say(`${what}. Type:\n\n    sudo ${manager.line} ${name}\n`);
    return;
  }
  say(`installing ${name} by ${manager.command} ...`);
  const start = (args) => {
    const [command, ...rest] = [...prefix, manager.command, ...args];
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    return spawnSync(command, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      encoding: "utf8",
      timeout: INSTALL_MS_MAX,
      env,
    });
  };
  const args = [...manager.install, name];
  let result = start(args);
  if (result.status !== 0 && manager.refresh && start(manager.refresh).status === 0) result = start(args);
  if (result.status === 0 && isPresent()) return;
  const log = lastLines(result);
  say(`Cannot install ${name}: ${manager.command} ended with ${outcome(result)}${log && `\n${log}`}`);
  say(`type, and see what it says:\n\n    sudo ${manager.line} ${name}\n`);
}

/** What to put before a command that only root may run; undefined when this user may not without a password. */
function privilege() {
  if (process.getuid?.() === 0) return [];
  if (!onPath("sudo")) return undefined;
  return spawnSync("sudo", ["-n", "true"], { stdio: "ignore", timeout: 10_000 }).status === 0
    ? ["sudo", "-n"]
    : undefined;
}

/** Where Debian keeps the programs of a PostgreSQL server, which are not on the PATH there. */
function postgresFolders() {
  try {
    return readdirSync("/usr/lib/postgresql").filter((version) => isFile(`/usr/lib/postgresql/${version}/bin/initdb`));
  } catch {
    return [];
  }
}

function onPath(command) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/local/bin", "/usr/bin", "/bin"];
  return folders.some((folder) => folder !== "" && isFile(join(folder, command)));
}

function isFile(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** How a process ended, in a word. */
export function outcome({ status, signal, error }) {
  return error?.message ?? signal ?? `code ${status}`;
}

/** The end of what a process has written. */
export function lastLines({ stdout, stderr }) {
  return `${stdout ?? ""}${stderr ?? ""}`.trimEnd().split("\n").slice(-15).join("\n");
}

/** Tells the user. */
export function say(text) {
  console.error(`isopod: ${text}`);
}
