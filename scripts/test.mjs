/**
 * `npm test`: set-up, then types, lint and format, then every test file; one line of totals at the end.
 *
 * `npm test -- PATH...` runs only the test files under these paths (or whose path contains the word); what begins with
 * a dash goes to `bun test`, such as `-t NAME`. Files run in parallel, each in a global of its own; those in `e2e/`
 * run after the others and one at a time, because they measure time and count processes.
 * Types and lint count as one test each, and what the tests leave in the temporary folder as a failed one. A file that reports no test counts as a failed one, so nothing falls silent.
 */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { findBun, ROOT } from "./find_bun.mjs";
import { setUp } from "./setup.mjs";

// Every server that the tests start uses the same guest; made once, it need not lie in each one's own folder.
process.env.ISOPOD_CACHE ??= join(ROOT, "node_modules", ".cache", "isopod");

const TEST_MS_MAX = 20_000;
const TEST_FOLDERS = ["src", "scripts", "examples", "bench", "e2e"];

const total = { passed: 0, failed: 0, skipped: 0 };

/** One line for each failure, shown again above the totals. */
const failures = [];

function fail(line) {
  failures.push(line);
  total.failed++;
}

/** Runs a checker of the repository, which counts as one test; shows its output when it fails. */
async function check(name, packagePath, args) {
  const started = performance.now();
  const { code, output } = await run(process.execPath, [join(ROOT, "node_modules", packagePath), ...args], "pipe");
  if (code === 0) total.passed++;
  else fail(name);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? "(pass)" : "(fail)"} ${name} [${seconds} s]${code === 0 ? "" : `\n${output.trimEnd()}`}`);
}

/** Runs `bun test` on `files` and adds what its report says to the totals. */
async function testFiles(files, flags, folder) {
  if (files.length === 0) return;
  const failuresBefore = failures.length;
  const report = join(folder, `${files.length}-${Date.now()}.xml`);
  const { code } = await run(
    findBun(),
    [
      "test",
      `--timeout=${TEST_MS_MAX}`,
      "--reporter=junit",
      `--reporter-outfile=${report}`,
      ...flags,
      ...files.map((file) => `./${file}`),
    ],
    "inherit",
  );
  const xml = readReport(report);
  const root = /<testsuites [^>]*>/.exec(xml)?.[0] ?? "";
  const count = (name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
  total.passed += count("tests") - count("failures") - count("skipped");
  total.skipped += count("skipped");
  total.failed += count("failures");
  for (const [, name, group, file] of xml.matchAll(
    /<testcase name="([^"]*)" classname="([^"]*)"[^>]* file="([^"]*)"[^>]*>\s*<failure/g,
  )) {
    failures.push(unescapeXml(`${file}: ${group && `${group} > `}${name}`));
  }
  const filtered = flags.some((flag) => flag.startsWith("-t") || flag.startsWith("--test-name-pattern"));
  if (!filtered) {
    const silent = files.filter((file) => !xml.includes(` file="${escapeXml(file)}"`));
    for (const file of silent) fail(`${file}: reported no test; it could not be loaded, or has none`);
  }
  if (code !== 0 && failures.length === failuresBefore) fail(`bun test ended with ${code} although no test failed`);
}

function readReport(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function escapeXml(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function unescapeXml(text) {
  const characters = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#10": " " };
  return text.replace(/&(lt|gt|quot|apos|amp|#10);/g, (_, name) => characters[name]);
}

function run(command, args, output) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", output, output] });
    const chunks = [];
    const forward = (signal) => child.kill(signal);
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => chunks.push(chunk));
    process.on("SIGTERM", forward);
    const end = (code) => {
      process.off("SIGTERM", forward);
      resolve({ code, output: Buffer.concat(chunks).toString() });
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(signal ?? code));
  });
}

/** Test files below `folder`, with `/` between the parts of their names. */
function findTests(folder) {
  if (!statSync(join(ROOT, folder), { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((entry) => entry.name !== "node_modules")
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return findTests(path);
      return /\.test\.tsx?$/.test(entry.name) ? [path] : [];
    })
    .sort();
}

/** The files that the arguments ask for. */
function selectTests(words) {
  const all = TEST_FOLDERS.flatMap(findTests);
  if (words.length === 0) return all;
  const paths = words.map((word) => {
    const path = relative(ROOT, join(process.env.INIT_CWD ?? ROOT, word))
      .split(sep)
      .join("/");
    return { word, path };
  });
  return all.filter((file) =>
    paths.some(({ word, path }) => file === path || file.startsWith(`${path}/`) || file.includes(word)),
  );
}

setUp({ forTests: true });
const flagsAt = process.argv.findIndex((word, index) => index > 1 && word.startsWith("-"));
const words = process.argv.slice(2, flagsAt < 0 ? undefined : flagsAt);
const flags = flagsAt < 0 ? [] : process.argv.slice(flagsAt);
const files = selectTests(words);
const folder = mkdtempSync(join(tmpdir(), "isopod-test-"));
// What tests put into the temporary folder is of this run alone, and what a killed one leaves goes with it.
const temporary = join(folder, "tmp");
mkdirSync(temporary);
chmodSync(folder, 0o755);
chmodSync(temporary, 0o1777);
process.env.TMPDIR = temporary;
try {
  if (words.length === 0 && flags.length === 0) {
    await Promise.all([
      check("types (tsc)", "typescript/bin/tsc", ["--noEmit", "--project", "."]),
      check("lint and format (biome)", "@biomejs/biome/bin/biome", [
        "check",
        "--error-on-warnings",
        "--colors=off",
        ".",
      ]),
    ]);
  }
  const measures = (file) => file.startsWith("e2e/");
  const some = files.filter((file) => !measures(file));
  await testFiles(some, ["--parallel", ...flags], folder);
  await testFiles(files.filter(measures), ["--isolate", ...flags], folder);
  if (total.failed === 0)
    for (const name of readdirSync(temporary)) fail(`the tests left ${name} in the temporary folder`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (total.passed + total.failed === 0) {
  fail(`no test was run${words.length > 0 ? `: no test file matches ${words.join(" ")}` : ""}`);
}
if (failures.length > 0) console.log(`\nFailed:\n${failures.map((line) => `  ${line}`).join("\n")}\n`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
process.exitCode = total.failed > 0 ? 1 : 0;
