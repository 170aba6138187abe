/** The options that all commands share which talk to a server's admin API. */
import { type Command, Option } from "commander";
import { defaultDataDirectory } from "./data_directory.ts";

/** What the shared options say. The environment is read by `adminClient`, so that what is typed comes first. */
export interface SharedOptions {
  readonly url?: string;
  readonly profile?: string;
  readonly project?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** Of commands that ask before they take something away. */
export interface RemovalOptions extends SharedOptions {
  readonly yes?: boolean;
}

/** The answer of scripts. */
export function yesOption(): Option {
  return new Option("--yes", "ask nothing");
}

/** Where a server's admin API is when nobody says it. */
export const DEFAULT_URL = "http://127.0.0.1:8081";

/**
 * Adds `--url`, `--profile`, `--project`, `--data` and `--json`; `shape` says what `--json` prints. A command whose
 * `--data` is something else finds the directory in the environment alone.
 */
export function addSharedOptions(command: Command, shape: string, { ownData = false } = {}): Command {
  command
    .addOption(new Option("--url <url>", `the admin API (default: ${DEFAULT_URL}, env: ISOPOD_URL)`))
    .addOption(new Option("--profile <name>", "a server of profiles.toml (env: ISOPOD_PROFILE)"))
    .addOption(new Option("--project <name>", "the project (default: default, env: ISOPOD_PROJECT)"));
  if (!ownData) {
    const text = `a local server's data, where its token lies (default: ${defaultDataDirectory()}, env: ISOPOD_DATA)`;
    command.addOption(new Option("--data <dir>", text));
  }
  return command.option("--json", `print ${shape} as JSON`);
}

/** Prints what `--json` promises. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
