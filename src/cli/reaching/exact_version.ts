/** Which version an alias stands for now, or a text names, and what the API says of it. */

import { CommandFailure, EXIT } from "../exit_codes.ts";
import type { AdminClient } from "./admin_client.ts";
import type { FunctionView, VersionView } from "./api_answers.ts";

/** A function. @throws {CommandFailure} that says what there is instead */
export async function readFunction(client: AdminClient, name: string): Promise<FunctionView> {
  try {
    return await client.get<FunctionView>(client.ofFunction(name));
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== EXIT.notFound) throw error;
    const hint =
      "`isopod deploy` deploys it; those of a configuration file are changed there and called by their routes";
    throw new CommandFailure(error.message, { exitCode: EXIT.notFound, hint, cause: error });
  }
}

/** A version by its hash, the beginning of it, or an alias; of several that an alias stands for, the heaviest. */
export function readVersion(client: AdminClient, record: FunctionView, text: string): Promise<VersionView> {
  const targets = Object.hasOwn(record.aliases, text) ? (record.aliases[text]?.targets ?? []) : [];
  const [heaviest] = [...targets].sort((a, b) => b.weight - a.weight);
  const named = encodeURIComponent(heaviest?.version ?? text);
  return client.get<VersionView>(client.ofFunction(record.name, `/versions/${named}`));
}
