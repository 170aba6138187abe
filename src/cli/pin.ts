/**
 * `isopod pin FILE...`: registers programs by their hash, so that plans with `run = "pinned"` may run them.
 *
 * A file is a program, or source of an application that sends functions to servers (`server.run(…)`): then its
 * functions are the programs, each with the hash that a build puts in its place.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { Command } from "commander";
import { usageError } from "./exit_codes.ts";
import { type AdminClient, ApiFailure, adminClient } from "./reaching/admin_client.ts";
import { addSharedOptions, type SharedOptions } from "./reaching/command_options.ts";
import { urlOf } from "./reaching/server_client.ts";

interface PinOptions extends SharedOptions {
  readonly functions?: boolean;
}

/** A pinned program, as `--json` prints it. */
interface Pinned {
  readonly file: string;
  /** Where a function begins; a program that is a whole file has none. */
  readonly line?: number;
  readonly column?: number;
  readonly hash: string;
  /** Where it runs, when the caller may know. */
  readonly url?: string;
}

/** A program to be pinned. */
interface Found extends Omit<Pinned, "hash" | "url"> {
  readonly code: string;
  readonly language: "javascript" | "typescript";
}

/** Files that one pattern may stand for. */
const FILES_MAX = 10_000;

const HELP = `
Where any of the files sends functions by a client that connect() of the SDK made, the functions of all of them are
pinned and no whole file is; --functions says so also where none does. A quoted pattern is expanded here.
It takes the server's token, or a key that may pin.

Examples:
  isopod pin report.ts
  curl http://127.0.0.1:8080/run/sha256-...
  isopod pin 'src/**/*.ts'
`;

/** The command. */
export function pinCommand(): Command {
  const command = new Command("pin")
    .description('Register programs by their hash: who may run "pinned" ones only can run these, and nothing else.')
    .argument("<file...>", "programs, as they will be sent; or sources, whose functions are sent")
    .option("--functions", "pin what the files send by server.run(...), and no file as a whole");
  return addSharedOptions(command, "[{file, line?, column?, hash, url?}]").addHelpText("after", HELP).action(pin);
}

async function pin(files: string[], options: PinOptions): Promise<void> {
  const client = adminClient(options);
  const programs = await findPrograms(expand(files), options.functions === true);
  const run = await runUrl(client);
  const pinned: Pinned[] = [];
  for (const { code, language, ...found } of programs) {
    const { hash } = await client.post<{ hash: string }>("/v1/pins", { code, language });
    const url = run === undefined ? {} : { url: `${run}/${hash}` };
    pinned.push({ ...found, hash, ...url });
    if (!options.json) process.stdout.write(`${[hash, url.url, nameOf(found)].filter(Boolean).join("  ")}\n`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(pinned)}\n`);
}

function nameOf({ file, line, column }: Omit<Pinned, "hash" | "url">): string {
  return line === undefined ? file : `${file}:${line}:${column}`;
}

/** The files that the arguments name; what is no file and reads as a pattern stands for all that match. */
function expand(files: readonly string[]): string[] {
  const all = files.flatMap((file) => {
    if (!/[*?{[]/.test(file) || existsSync(file)) return [file];
    const found: string[] = [];
    for (const match of new Bun.Glob(file).scanSync({ onlyFiles: true })) {
      if (/(^|\/)node_modules\//.test(match)) continue;
      if (found.push(match) > FILES_MAX)
        throw usageError(`Cannot pin ${file}: it stands for more than ${FILES_MAX} files`);
    }
    if (found.length === 0) throw usageError(`Cannot pin ${file}: no file matches`);
    return found.sort();
  });
  return [...new Set(all)];
}

/** What the files are or send. @throws {Error} when one cannot be read, or is to send functions and none does */
async function findPrograms(files: readonly string[], functionsOnly: boolean): Promise<Found[]> {
  const { findSentCalls } = await import("../pinning/sent_calls.ts");
  const { findModuleFile } = await import("../pinning/module_files.ts");
  const programs: Found[] = [];
  const functions: Found[] = [];
  for (const file of files) {
    const code = await readProgram(file);
    programs.push({ file, code, language: /\.[mc]?jsx?$/i.test(basename(file)) ? "javascript" : "typescript" });
    const calls = mayCall(code) ? await findSentCalls(code, file, findModuleFile) : [];
    for (const { line, column, program } of calls) {
      functions.push({ file, line, column, code: program.code, language: program.language });
    }
  }
  if (functionsOnly && functions.length === 0)
    throw usageError(
      `Cannot pin functions of ${files.join(", ")}: nothing there is sent by a client that connect() made`,
    );
  return functionsOnly || functions.length > 0 ? functions : programs;
}

/** Whether a text can hold a call of a client, which is imported or made by what is; programs need not be parsed. */
function mayCall(code: string): boolean {
  return /\bimport\b/.test(code) && /\.\s*run\b/.test(code);
}

async function readProgram(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await Bun.file(file).bytes());
  } catch (cause) {
    const reason = cause instanceof TypeError ? "it is not UTF-8" : "there is no such file, or it cannot be read";
    throw usageError(`Cannot read ${file}: ${reason}`);
  }
}

/** Where the server runs programs; undefined for a key, which may pin and not ask. @throws {ApiFailure} */
async function runUrl(client: AdminClient): Promise<string | undefined> {
  interface Status {
    readonly listen: { readonly host: string; readonly port: number };
    readonly codeless_path: string;
  }
  const status = await client.get<Status>("/v1/status").catch((error: unknown) => {
    if (error instanceof ApiFailure && error.code === "forbidden") return undefined;
    throw error;
  });
  if (status === undefined) return undefined;
  const { host, port } = status.listen;
  const anywhere = host === "0.0.0.0" || host === "::";
  const url = urlOf({ host: anywhere ? client.target.url.hostname : host, port });
  return `${url}${status.codeless_path.replace(/\/$/, "")}`;
}
