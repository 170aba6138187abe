/** Which version an alias stands for now, or a text names, and what the API says of it. */
import type { AdminClient } from "./admin_client.ts";
import { CommandFailure, EXIT } from "./exit_codes.ts";

/** A function, as far as it is read here. */
export interface FunctionRecord {
  readonly name: string;
  readonly aliases: Readonly<
    Record<string, { readonly targets: readonly { readonly version: string; readonly weight: number }[] }>
  >;
  readonly routes: readonly { readonly route: string; readonly alias: string }[];
  readonly revision: number;
}

/** A version, as far as it is read here. */
export interface VersionRecord {
  readonly version: string;
  readonly short: string;
  readonly settings: { readonly env: Readonly<Record<string, string>> };
  readonly preview: string;
}

/** A function. @throws {CommandFailure} that says what there is instead */
export async function readFunction(client: AdminClient, name: string): Promise<FunctionRecord> {
  try {
    return await client.get<FunctionRecord>(client.ofFunction(name));
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== EXIT.notFound) throw error;
    const hint =
      "`isopod deploy` deploys it; those of a configuration file are changed there and called by their routes";
    throw new CommandFailure(error.message, { exitCode: EXIT.notFound, hint, cause: error });
  }
}

/** A version by its hash, the beginning of it, or an alias; of several that an alias stands for, the heaviest. */
export function readVersion(client: AdminClient, record: FunctionRecord, text: string): Promise<VersionRecord> {
  const targets = Object.hasOwn(record.aliases, text) ? (record.aliases[text]?.targets ?? []) : [];
  const [heaviest] = [...targets].sort((a, b) => b.weight - a.weight);
  const named = encodeURIComponent(heaviest?.version ?? text);
  return client.get<VersionRecord>(client.ofFunction(record.name, `/versions/${named}`));
}

/** The digits of a version that people are shown. */
export function shortVersion(version: string): string {
  return version.slice("sha256-".length, "sha256-".length + 12);
}
