/**
 * Reads what only functions of the `process` engine have: how their program is started and spoken to, layers, a root.
 */
import { type Stats, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { ProcessSettings } from "../../core/process_program.ts";
import type { ProcessConfig } from "./config.ts";
import { GRACE_RULE, LAYERS_MAX } from "./process_rules.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";
import { limitsOf, type RawFunction } from "./schema.ts";

/** The ready-made runtimes, by the words that start them. */
const RUNTIME_COMMANDS = {
  python: ["python3", "/var/runtime/python.py"],
  node: ["node", "/var/runtime/node.mjs"],
} as const;

/** What a shell would do more with than cut it at its spaces. */
const SHELL_CHARACTERS = /["'$`\\|&;<>()*?[\]{}~#!\n]/;

/**
 * What `raw` says of a program whose folder or file is at `entry`.
 * @throws {ConfigError} for the first mistake
 */
export function readProcess(
  raw: RawFunction,
  path: KeyPath,
  entry: string,
  source: { readonly report: ConfigReport; readonly folder: string },
): ProcessConfig {
  const { report, folder } = source;
  const fail = (key: string, reason: string): never => report.fail([...path, key], reason);
  if (raw.export !== undefined) fail("export", "only functions of JavaScript and TypeScript have exports");
  if (raw.runtime !== undefined) {
    if (raw.command !== undefined) fail("command", "a ready-made runtime is its own command");
    if ((raw.dialect ?? "stdio") !== "stdio") fail("dialect", 'expected "stdio" for a ready-made runtime');
    if (raw.handler === undefined) fail("runtime", 'expected a handler beside it, such as "main.handle"');
  }
  const dialect = raw.dialect ?? (raw.runtime === undefined ? "runtime-api" : "stdio");
  const { concurrencyMax = 1 } = limitsOf(raw.limits);
  if (concurrencyMax > 1 && dialect !== "http") {
    report.fail([...path, "limits", "concurrency"], `expected 1: a program takes more by the dialect "http" alone`);
  }
  if (raw.readiness !== undefined && dialect !== "http")
    fail("readiness", 'only the dialect "http" has a readiness check');
  if (raw.lines !== undefined && dialect !== "stdio") fail("lines", 'only the dialect "stdio" has lines');
  const isFile = statOf(entry)?.isFile() === true;
  const hasBootstrap = isFile || statOf(join(entry, "bootstrap"))?.isFile() === true;
  if (raw.command === undefined && raw.runtime === undefined && !hasBootstrap) {
    fail("path", "expected a folder that holds `bootstrap`, or a command");
  }
  if ((raw.layers?.length ?? 0) > LAYERS_MAX) fail("layers", `expected at most ${LAYERS_MAX}`);
  const at = (key: string, text: string) => {
    const absolute = resolve(folder, text);
    return statOf(absolute) === undefined ? fail(key, `nothing is at "${text}" (${absolute})`) : absolute;
  };
  const root = raw.root === undefined || raw.root === "system" ? undefined : at("root", raw.root);
  if (root !== undefined && !statOf(root)?.isDirectory()) fail("root", 'expected "system" or a folder');
  const command = commandOf(raw, isFile ? entry : undefined);
  const settings: ProcessSettings = {
    ...{ dialect, event: raw.event ?? "http", lines: raw.lines ?? "streams" },
    graceMs: raw.grace_ms ?? GRACE_RULE.default,
    ...(command !== undefined && { command }),
    ...(raw.handler !== undefined && { handler: raw.handler }),
    ...(raw.readiness !== undefined && { readyPath: raw.readiness }),
  };
  return { settings, root, layers: (raw.layers ?? []).map((layer) => at("layers", layer)) };
}

function commandOf({ command, runtime }: RawFunction, file: string | undefined): readonly string[] | undefined {
  if (runtime !== undefined) return RUNTIME_COMMANDS[runtime];
  if (command === undefined) return file === undefined ? undefined : [`/var/task/${basename(file)}`];
  return SHELL_CHARACTERS.test(command) ? ["/bin/sh", "-c", command] : command.trim().split(/\s+/);
}

function statOf(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false });
}
