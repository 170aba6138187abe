/**
 * Sets a checkout up: npm packages when they are missing or stale, and the system's packages that are missing.
 *
 * Runs before `npm start` and `npm test`, so what stands already must cost a few milliseconds only: one hash of the
 * lock file against a stamp in `node_modules`, and one look along the PATH. Plain JavaScript for any Node from 18.
 * It refuses nothing: without bubblewrap the server says itself what it cannot do.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findBun, ROOT } from "./find_bun.mjs";
import { BROWSER, BUBBLEWRAP, installMissing, lastLines, outcome, POSTGRES, say } from "./system_packages.mjs";

const STAMP = join(ROOT, "node_modules", ".isopod-setup");
const INSTALL_MS_MAX = 10 * 60 * 1000;

/**
 * Does all of it; `forTests` installs what only tests need, too. Ends the process with a message when the npm packages
 * cannot be installed.
 */
export function setUp({ forTests = false } = {}) {
  setUpPackages();
  installMissing(forTests ? [BUBBLEWRAP, BROWSER, POSTGRES] : [BUBBLEWRAP, BROWSER]);
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

function run(command, args, options) {
  return spawnSync(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: INSTALL_MS_MAX,
    ...options,
  });
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function fail(text, result) {
  if (result) console.error(lastLines(result));
  say(text);
  process.exit(1);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) setUp();
