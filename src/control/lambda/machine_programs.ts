/** What of this machine's own programs stands for a runtime of AWS: as sandboxes see them, whatever the server's PATH is. */
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import type { VersionSettings } from "../deploy/records.ts";
import { settings } from "../fields.ts";
import { invalid } from "./failures.ts";

/** Where programs are looked for in a sandbox. */
const SANDBOX_PATH = "/usr/local/bin:/usr/bin:/bin";

/** How a program with a handler is started, but for its command. */
export function programSettings(handler: string): NonNullable<VersionSettings["process"]> {
  return settings.shape.process.unwrap().parse({ handler });
}

/**
 * The program that runs `python3.N`: that very one, or a newer `python3`.
 * @throws {LambdaError} `InvalidParameterValueException` when the machine has neither
 */
export function pythonOf(runtime: string): string {
  const find = (name: string) => Bun.which(name, { PATH: SANDBOX_PATH });
  if (find(runtime) !== null) return runtime;
  const found = find("python3");
  if (found === null) return invalid(`Value ${runtime} at 'runtime' needs Python, which is not installed here.`);
  const has = basename(realpathSync(found));
  if (!(minorOf(has) < minorOf(runtime))) return "python3";
  return invalid(`Value ${runtime} at 'runtime' is newer than the Python that is installed here, ${has}.`);
}

function minorOf(name: string): number {
  return Number(/^python3\.(\d+)$/.exec(name)?.[1] ?? Number.NaN);
}
