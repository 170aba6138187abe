/**
 * The rules of the house that a machine can check; docs/ARCHITECTURE.md has them in prose.
 *
 * Each rule is one test. A message gives file and line, what is wrong, and how to mend it. The tables come first: which
 * room may import what, what has grown over its size already, which names say nothing. Style that Biome or the compiler
 * checks is not repeated here.
 */
import { beforeAll, test } from "bun:test";
import { builtinModules } from "node:module";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { type FileFacts, type ImportFact, readSourceTree } from "./testing/source_tree.ts";

const ROOT = join(import.meta.dir, "..");

/** What a room may import beside its own files. `types` are rooms of which it may import types only. */
interface Room {
  readonly rooms: readonly string[];
  readonly types?: readonly string[];
  /** Which third-party packages: those of package.json's dependencies, or none. */
  readonly packages: "any" | "none";
  /** Which modules of the platform (`node:fs`, `bun`, `bun:ffi`): any, or these. */
  readonly platform: "any" | readonly string[];
}

const BASE = ["core", "stdx", "wire"];
const EVERYTHING = ["*"];

/** The import table of the design. `x/*` stands for each folder in x, `x/guest` for the guest folder of each. */
const ROOMS: Readonly<Record<string, Room>> = {
  core: { rooms: BASE, packages: "none", platform: "any" },
  stdx: { rooms: BASE, packages: "none", platform: "any" },
  wire: { rooms: BASE, packages: "none", platform: [] },
  sandbox: { rooms: BASE, packages: "any", platform: "any" },
  pool: { rooms: BASE, packages: "any", platform: "any" },
  gateway: { rooms: BASE, packages: "any", platform: "any" },
  control: { rooms: BASE, packages: "any", platform: "any" },
  triggers: { rooms: BASE, packages: "any", platform: "any" },
  telemetry: { rooms: BASE, packages: "any", platform: "any" },
  "engines/*": { rooms: [...BASE, "sandbox"], packages: "any", platform: "any" },
  "bindings/*": { rooms: BASE, packages: "any", platform: "any" },
  "store/*": { rooms: BASE, packages: "any", platform: "any" },
  // The two `node:` modules are cheap to load, and loaded after the seal or in a builder only.
  // What the guests of all engines stand on: the channel, the hello, native calls, bodies.
  guest_base: { rooms: ["wire"], types: ["core"], packages: "none", platform: ["bun:ffi"] },
  "engines/guest": {
    rooms: ["wire", "guest_base"],
    types: ["core"],
    packages: "none",
    platform: ["bun:ffi", "node:async_hooks", "node:module"],
  },
  "bindings/guest": { rooms: ["wire"], types: ["core"], packages: "none", platform: ["bun:ffi"] },
  sdk: { rooms: [], types: ["core"], packages: "any", platform: [] },
  pinning: { rooms: ["sdk"], packages: "any", platform: ["node:fs/promises", "node:path"] },
  cli: { rooms: ["sdk", "pinning"], packages: "any", platform: "any" },
  "cli/serve": { rooms: ["cli", "sdk", "pinning", "main"], packages: "any", platform: "any" },
  dashboard: { rooms: ["sdk"], packages: "any", platform: "any" },
  testing: { rooms: EVERYTHING, packages: "any", platform: "any" },
  main: { rooms: EVERYTHING, packages: "any", platform: "any" },
  standard_guest: { rooms: ["engines/guest", "bindings/guest"], packages: "none", platform: [] },
};

/** Files that are a room, or belong to one that their folder does not tell. */
const ROOM_OF_FILE: Readonly<Record<string, string>> = {
  "src/main.ts": "main",
  "src/read_config.ts": "main",
  "src/read_program.ts": "main",
  "src/read_middlewares.ts": "main",
  "src/standard.ts": "main",
  "src/tidy.test.ts": "main",
  "src/guest_code.ts": "main",
  "src/prepare_guest.ts": "main",
  "src/server.ts": "main",
  "src/plant.ts": "main",
  "src/front.ts": "main",
  "src/deploying.ts": "main",
  "src/standard_guest.ts": "standard_guest",
  "src/process_guest.ts": "standard_guest",
  "src/browser_guest.ts": "standard_guest",
  "src/browser_page.ts": "standard_guest",
  "src/cli/serve.ts": "cli/serve",
  "src/cli/dev/dev.ts": "cli/serve",
  // Reads isopod.toml as the server does, for the commands that deploy what stands in it or derive types from it.
  "src/cli/project_file.ts": "cli/serve",
  "src/cli/doctor.ts": "cli/serve",
};

/** Where something outside starts reading; `PATTERN.ts` may use `*` for one part of a path. */
const ENTRIES = [
  "src/cli/main.ts",
  "src/standard_guest.ts",
  "src/process_guest.ts",
  "src/browser_guest.ts",
  "src/browser_page.ts",
  "src/sdk/main.ts",
  "src/sdk/globals.ts",
  "src/pinning/*_plugin.ts",
  "src/*/*/guest/main.ts",
  "src/bindings/sql/database/main.ts",
  "src/engines/wasm/transpiler/main.ts",
  "src/engines/wasm/guest/component/component.ts",
  "src/store/*/store.ts",
];

const FILE_LINES_MAX = 200;
const TEST_FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

/** What was over its size when the rule came or has earned an exception, with its size now. Numbers only go down. */
const OVERSIZE: Readonly<Record<string, number>> = {};

const BANNED_WORDS = new Set(["util", "utils", "helper", "helpers", "common", "shared", "manager", "managers", "misc"]);
const BANNED_FILES = /^(index|mod)\.tsx?$|\d\.tsx?$/;
const BANNED_TYPES = /^(Runtime|Worker|Service|Context)$|(Manager|Helper|Helpers|Utils)$/;
/** Spelled in pieces, so that this file does not find itself. */
const UNFINISHED = new RegExp(
  `\\b(${["TO", "FIX", "XX"].map((half, at) => half + ["DO", "ME", "X"][at]).join("|")})\\b`,
);
const FOREIGN_PATH = new RegExp(`(?<![\\w.@*-])/(${["work", "root", "home", "Users"].join("|")})/\\w`);

let tracked: string[] = [];
let files: FileFacts[] = [];

beforeAll(async () => {
  const git = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: ROOT });
  if (!git.success) throw new Error(`Cannot list the repository's files: git ended with ${git.exitCode}`);
  const listed = git.stdout.toString().split("\0").filter(Boolean);
  const present = await Promise.all(
    listed.map(async (path) => ((await Bun.file(join(ROOT, path)).exists()) ? path : "")),
  );
  tracked = present.filter(Boolean).sort();
  files = await readSourceTree(
    ROOT,
    tracked.filter((path) => /^src\/.*\.tsx?$/.test(path)),
  );
});

/** A conformance suite: its outermost functions hold tests, as a test file does. */
const isSuite = (path: string): boolean => /^src\/testing\/.*[-_]suite\.ts$/.test(path);
const isTest = (path: string): boolean => /\.test\.tsx?$/.test(path);
const product = (): FileFacts[] => files.filter((file) => !isTest(file.path));
const at = (path: string, line: number): string => `${path}:${line}`;

function none(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`${problems.length} to mend:\n  ${problems.join("\n  ")}`);
}

/** The room of a file: its row of the table, and the folder that it may always import from. */
function roomOf(path: string): { row: string; folder: string } | undefined {
  const [, first = "", second = "", third = ""] = path.split("/");
  const byFile = ROOM_OF_FILE[path];
  if (byFile !== undefined) return { row: byFile, folder: path };
  if (first === "engines" && second === "guest") return { row: "guest_base", folder: "src/engines/guest/" };
  if (`${first}/*` in ROOMS) {
    const guest = third === "guest";
    const folder = `src/${first}/${second}/`;
    return guest ? { row: `${first}/guest`, folder: `${folder}guest/` } : { row: `${first}/*`, folder };
  }
  return first in ROOMS ? { row: first, folder: `src/${first}/` } : undefined;
}

function importProblem(file: FileFacts, { specifier, target, typeOnly }: ImportFact): string | undefined {
  const from = roomOf(file.path);
  const room = from && ROOMS[from.row];
  if (!from || !room) return "stands in no room of the table in src/tidy.test.ts; move it, or add the room there";
  if (!specifier.startsWith(".")) return packageProblem(file, room, specifier, typeOnly);
  if (target === undefined) return `imports ${specifier}, which names no file; write the whole name with its extension`;
  if (target === "package.json" || target.startsWith(from.folder) || room.rooms.includes("*")) return undefined;
  const to = roomOf(target);
  if (!to) return `imports ${target}, which belongs to no room`;
  if (isTest(target)) return `imports the test ${target}; move what is needed into src/testing`;
  if (to.row === "testing") return isTest(file.path) ? undefined : `imports ${target}, which is for tests alone`;
  if (room.rooms.includes(to.row)) return undefined;
  if (room.types?.includes(to.row)) {
    return typeOnly ? undefined : `imports values of ${to.row}, of which it may import types only; use \`import type\``;
  }
  const allowed = [...room.rooms, ...(room.types ?? []).map((name) => `types of ${name}`)].join(", ") || "nothing";
  return `imports ${target}, but ${from.row} may import ${allowed}; put a port into core, or wire it up in src/main.ts`;
}

function packageProblem(file: FileFacts, room: Room, specifier: string, typeOnly: boolean): string | undefined {
  if (isTest(file.path) || roomOf(file.path)?.row === "testing") return undefined;
  const isPlatform = /^(node|bun):|^bun$/.test(specifier) || builtinModules.includes(specifier);
  if (isPlatform) {
    if (typeOnly || room.platform === "any" || room.platform.includes(specifier)) return undefined;
    return `imports ${specifier}, but may use ${["Web APIs", ...room.platform].join(" and ")} only`;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (room.packages === "none") return `imports the package ${name}, but may import none`;
  if (name in packageJson.dependencies || (typeOnly && name in packageJson.devDependencies)) return undefined;
  return `imports the package ${name}, which is not among the dependencies of package.json`;
}

test("a room imports what the table allows, and never a sibling", () => {
  none(
    files.flatMap((file) => {
      if (roomOf(file.path) === undefined) return [`${file.path}: stands in no room of the table in src/tidy.test.ts`];
      return file.imports.flatMap((found) => {
        const problem = importProblem(file, found);
        return problem ? [`${at(file.path, found.line)}: ${problem}`] : [];
      });
    }),
  );
});

test("no file imports itself by way of others", () => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const problems: string[] = [];
  const walk = (path: string, way: string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) {
      problems.push(`${way.slice(start).join(" → ")} → ${path}: a cycle; move what both need into a file of its own`);
    } else if (!done.has(path)) {
      for (const { target } of byPath.get(path)?.imports ?? []) if (target) walk(target, [...way, path]);
      done.add(path);
    }
  };
  for (const { path } of files) walk(path, []);
  none(problems);
});

test("every file is reached from an entry, those of testing/ from a test", async () => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reach = (paths: readonly string[]): Set<string> => {
    const reached = new Set<string>();
    const walk = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const { target } of byPath.get(path)?.imports ?? []) if (target) walk(target);
    };
    for (const path of paths) walk(path);
    return reached;
  };
  const globs = ENTRIES.map((entry) => new Bun.Glob(entry));
  const fromEntries = reach(files.map(({ path }) => path).filter((path) => globs.some((glob) => glob.match(path))));
  const outside = await Promise.all(
    tracked.filter((path) => /^(bench|e2e)\/.*\.ts$/.test(path)).map((path) => Bun.file(join(ROOT, path)).text()),
  );
  const named = files.filter(({ path }) => outside.some((text) => text.includes(path.replace(/^src/, "../src"))));
  const fromTests = reach([...files.filter(({ path }) => isTest(path)), ...named].map(({ path }) => path));
  none(
    product().flatMap(({ path }) => {
      if (path.startsWith("src/testing/")) return fromTests.has(path) ? [] : [`${path}: no test uses it; delete it`];
      return fromEntries.has(path) || path.endsWith(".d.ts")
        ? []
        : [`${path}: no entry reaches it; use it or delete it`];
    }),
  );
});

test("files and functions keep their size, and what is over it only shrinks", () => {
  const sizes = new Map<string, { lines: number; limit: number; where: string }>();
  for (const file of files) {
    const limit = isTest(file.path) || isSuite(file.path) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX;
    sizes.set(file.path, { lines: file.lines, limit, where: file.path });
    for (const { name, lines, line } of isTest(file.path) || isSuite(file.path) ? [] : file.functions) {
      const key = `${file.path} ${name}`;
      if (lines <= (sizes.get(key)?.lines ?? 0)) continue;
      sizes.set(key, { lines, limit: FUNCTION_LINES_MAX, where: `${at(file.path, line)} ${name}` });
    }
  }
  const problems: string[] = [];
  for (const [key, { lines, limit, where }] of sizes) {
    const allowed = OVERSIZE[key];
    if (lines > (allowed ?? limit)) problems.push(`${where}: ${lines} lines are over ${allowed ?? limit}; split it`);
    else if (allowed !== undefined && lines <= limit) problems.push(`${where}: has shrunk; take it off OVERSIZE`);
    else if (allowed !== undefined && lines < allowed)
      problems.push(`${where}: has shrunk; lower OVERSIZE to ${lines}`);
  }
  for (const key of Object.keys(OVERSIZE)) if (!sizes.has(key)) problems.push(`${key}: is gone; take it off OVERSIZE`);
  none(problems);
});

test("names say what a thing is", () => {
  const problems = tracked
    .filter((path) => /^(src|bench|e2e|scripts|examples)\//.test(path))
    .flatMap((path) => {
      const parts = path.split("/").slice(1);
      const word = parts.flatMap((part) => part.split(/[^a-z]+/i)).find((part) => BANNED_WORDS.has(part.toLowerCase()));
      if (word) return [`${path}: "${word}" says nothing; name it by what it is or does`];
      const isBarrel = path.startsWith("src/") && BANNED_FILES.test(parts.at(-1) ?? "");
      return isBarrel ? [`${path}: no barrels and no numbered files; name it by its one concept`] : [];
    });
  for (const file of files) {
    for (const { name, isType, line } of file.declarations) {
      if (!isType || !BANNED_TYPES.test(name)) continue;
      problems.push(`${at(file.path, line)}: the type name ${name} has too many meanings here; use the design's words`);
    }
  }
  none(problems);
});

test("what is exported is documented, and a file opens with its role", () => {
  none(
    product().flatMap((file) => {
      const bare = file.declarations.filter(({ exported, documented }) => exported && !documented);
      const problems = bare.map(({ name, line }) => `${at(file.path, line)}: ${name} is exported without a docstring`);
      if (!/^(#!.*\n)?\/[*/]/.test(file.text))
        problems.push(`${file.path}:1: opens without a comment that says its role`);
      return problems;
    }),
  );
});

test("no type is `any`", () => {
  none(files.flatMap(({ path, anyLines }) => anyLines.map((line) => `${at(path, line)}: \`any\`; use \`unknown\``)));
});

test("no tracked file holds unfinished business or a path of somebody's machine", async () => {
  const problems: string[] = [];
  const texts = tracked.filter((path) => !/\.(png|jpe?g|gif|ico|wasm|woff2?|zip|gz|sqlite)$/.test(path));
  for (const path of texts) {
    const lines = (await Bun.file(join(ROOT, path)).text()).split("\n");
    for (const [index, line] of lines.entries()) {
      const mark = UNFINISHED.exec(line)?.[1];
      if (mark) problems.push(`${at(path, index + 1)}: ${mark}; do it now, or open an issue`);
      const foreign = FOREIGN_PATH.exec(line)?.[0];
      if (foreign)
        problems.push(`${at(path, index + 1)}: "${foreign}..." exists on one machine only; use a relative path`);
    }
  }
  none(problems);
});

test("the lock file installs from whatever registry a machine is set to", async () => {
  const lock = await Bun.file(join(ROOT, "package-lock.json")).text();
  const problems = lock.split("\n").flatMap((line, index) => {
    return line.includes('"resolved":') ? [`${at("package-lock.json", index + 1)}: names a registry; see .npmrc`] : [];
  });
  none(problems);
});
