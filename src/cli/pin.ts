/**
 * `isopod pin FILE...`: registers programs by their hash, so that plans with `run = "pinned"` may run them.
 *
 * A file is a program, or source of an application that sends functions to servers (`server.run(…)`): then its
 * functions are the programs, each with the hash that a build puts in its place.
 */
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { Command, Option } from "commander";
import { defaultDataDirectory, findToken } from "./data_directory.ts";
import { errorOf, send, serverUrl } from "./server_client.ts";

interface PinOptions {
  readonly url: string;
  readonly data: string;
  readonly functions?: boolean;
  readonly json?: boolean;
}

/** A pinned program, as `--json` prints it. */
interface Pinned {
  readonly file: string;
  /** Where a function begins; a program that is a whole file has none. */
  readonly line?: number;
  readonly column?: number;
  readonly hash: string;
  readonly url: string;
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
The admin token is ISOPOD_TOKEN, else that of the local server.

Examples:
  isopod pin report.ts
  curl http://127.0.0.1:8080/run/sha256-...
  isopod pin 'src/**/*.ts'
`;

/** The command. */
export function pinCommand(): Command {
  return new Command("pin")
    .description('Register programs by their hash: who may run "pinned" ones only can run these, and nothing else.')
    .argument("<file...>", "programs, as they will be sent; or sources, whose functions are sent")
    .addOption(new Option("--url <url>", "the admin API").env("ISOPOD_URL").default("http://127.0.0.1:8081"))
    .addOption(
      new Option("--data <dir>", "the server's data, where its token lies")
        .env("ISOPOD_DATA")
        .default(defaultDataDirectory()),
    )
    .option("--functions", "pin what the files send by server.run(...), and no file as a whole")
    .option("--json", "print [{file, line?, column?, hash, url}] as JSON")
    .addHelpText("after", HELP)
    .action(pin);
}

async function pin(files: string[], options: PinOptions): Promise<void> {
  const token = process.env["ISOPOD_TOKEN"] || findToken(resolve(options.data));
  if (token === undefined) {
    throw new Error(
      `Cannot find the admin token: set ISOPOD_TOKEN, or name the server's data with --data (looked in ${options.data})`,
    );
  }
  const programs = await findPrograms(expand(files), options.functions === true);
  const { registerPin } = await import("../pinning/register.ts");
  const admin = serverUrl(options.url, "/");
  const run = await runUrl(admin, token);
  const pinned: Pinned[] = [];
  for (const { code, language, ...found } of programs) {
    const name = nameOf(found);
    const hash = await registerPin({ code, language }, name, { url: admin, token, send });
    pinned.push({ ...found, hash, url: `${run}/${hash}` });
    if (!options.json) process.stdout.write(`${hash}  ${run}/${hash}  ${name}\n`);
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
        throw new Error(`Cannot pin ${file}: it stands for more than ${FILES_MAX} files`);
    }
    if (found.length === 0) throw new Error(`Cannot pin ${file}: no file matches`);
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
    throw new Error(
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
    throw new Error(`Cannot read ${file}: ${reason}`, { cause });
  }
}

/** Where the server runs programs. One that listens on all addresses is reached as its admin API is. */
async function runUrl(admin: URL, token: string): Promise<string> {
  const response = await send(new URL("/v1/status", admin), { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok)
    throw new Error(`Cannot ask ${admin.origin} where it runs programs: ${(await errorOf(response)).message}`);
  const status = (await response.json()) as {
    readonly listen: { readonly host: string; readonly port: number };
    readonly codeless_path: string;
  };
  const { host, port } = status.listen;
  const name = host === "0.0.0.0" || host === "::" ? admin.hostname : host.includes(":") ? `[${host}]` : host;
  return `http://${name}:${port}${status.codeless_path.replace(/\/$/, "")}`;
}
