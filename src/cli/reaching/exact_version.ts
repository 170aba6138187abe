/** Which version an alias stands for now, or a text names, and what the API says of it. */

import { CommandFailure, EXIT } from "../exit_codes.ts";
import type { AdminClient } from "./admin_client.ts";
import type { FileFunctionView, FunctionView, VersionView } from "./api_answers.ts";

/** What a call goes to. */
export interface Callable {
  readonly routes: readonly string[];
  readonly version: string;
  readonly preview: string;
}

/** A function that was deployed. @throws {CommandFailure} that says what there is instead */
export async function readFunction(client: AdminClient, name: string): Promise<FunctionView> {
  try {
    return await client.get<FunctionView>(client.ofFunction(name));
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw absent(error, await readFileFunction(client, name));
  }
}

/** What a call of a function goes to, be it deployed or of the configuration file. @throws {CommandFailure} */
export async function readCallable(client: AdminClient, name: string, version: string): Promise<Callable> {
  const found = await client.get<FunctionView>(client.ofFunction(name)).catch(async (error: unknown) => {
    if (!isNotFound(error)) throw error;
    const ofFile = await readFileFunction(client, name);
    const isMeant = version === "production" || ofFile?.version.replace("sha256-", "").startsWith(version);
    if (ofFile === undefined || !isMeant) throw absent(error, ofFile);
    return ofFile;
  });
  if ("preview" in found) return found;
  return { ...(await readVersion(client, found, version)), routes: found.routes.map(({ route }) => route) };
}

/** The failure of who looked among those that were deployed, with what there is instead. */
function absent(error: CommandFailure, ofFile: FileFunctionView | undefined): CommandFailure {
  const hint =
    ofFile === undefined ? "`isopod deploy` deploys it" : "`isopod.toml` has it; it is changed there, and not here";
  return new CommandFailure(error.message, { exitCode: EXIT.notFound, hint, cause: error });
}

function isNotFound(error: unknown): error is CommandFailure {
  return error instanceof CommandFailure && error.exitCode === EXIT.notFound;
}

async function readFileFunction(client: AdminClient, name: string): Promise<FileFunctionView | undefined> {
  const all = await client.list<FileFunctionView>(client.inProject("/file-functions"));
  return all.find((each) => each.name === name);
}

/** A version by its hash, the beginning of it, or an alias; of several that an alias stands for, the heaviest. */
export function readVersion(client: AdminClient, record: FunctionView, text: string): Promise<VersionView> {
  const targets = Object.hasOwn(record.aliases, text) ? (record.aliases[text]?.targets ?? []) : [];
  const [heaviest] = [...targets].sort((a, b) => b.weight - a.weight);
  const named = encodeURIComponent(heaviest?.version ?? text);
  return client.get<VersionView>(client.ofFunction(record.name, `/versions/${named}`));
}
