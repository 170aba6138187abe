/**
 * `isopod run FILE|-`: sends a program to a server and is, for whoever started it, the program: its output is ours as
 * it is written, its log our stderr, its failure our exit code. Hanging up (Ctrl-C) ends it there as well.
 */
import { basename, dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import { usageError } from "../exit_codes.ts";
import { watchLauncher } from "../lifeline.ts";
import { errorOf, send, serverUrl } from "../reaching/server_client.ts";
import { messageOf, paintFor } from "../terminal/terminal.ts";
import { RunReport } from "./run_report.ts";

interface RunOptions {
  readonly url: string;
  readonly key?: string;
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly args?: string;
  readonly input?: string;
  readonly json?: boolean;
}

const HELP = `
Ends with 0; with 1 when the program failed, broke a limit, was refused or answered with a status of 400 or more; with
2 for wrong usage, 3 when no server answers, and 130 after Ctrl-C, which ends the program too.

Examples:
  isopod run hello.ts
  echo 'console.log(1 + 1)' | isopod run -
  isopod run report.ts --args '{"year": 2026}' --env REGION=eu --input sales.csv > report.txt
  isopod run hello.ts --json | jq 'select(.event == "end").data.cpu_ms'
`;

/** The command. */
export function runCommand(): Command {
  return new Command("run")
    .description("Run a program on a server, with its output here.")
    .argument("<file>", "TypeScript or JavaScript (by its name); - for standard input")
    .addOption(
      new Option("--url <url>", "the server; with a path when its programs do not run at /run")
        .env("ISOPOD_RUN_URL")
        .default("http://127.0.0.1:8080"),
    )
    .addOption(new Option("--key <key>", "the API key").env("ISOPOD_KEY"))
    .addOption(
      new Option("--env <NAME=VALUE>", "a variable of the program; may be repeated")
        .argParser(addVariable)
        .default([], "none"),
    )
    .option("--args <json>", "what a module finds as ctx.args")
    .option("--input <file>", "what the program reads as its input; - for standard input")
    .option("--json", "print the events of the run, each as one line {event, data}")
    .addHelpText("after", HELP)
    .action(run);
}

function addVariable(text: string, before: RunOptions["env"]): RunOptions["env"] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw usageError(`Cannot read --env "${text}": expected NAME=VALUE`);
  return [...before, [name, value]];
}

async function run(file: string, options: RunOptions): Promise<void> {
  const hangUp = new AbortController();
  const stop = (code: number) => {
    process.exitCode = code;
    if (hangUp.signal.aborted) process.exit(code);
    hangUp.abort();
  };
  process.on("SIGINT", () => stop(130));
  process.on("SIGTERM", () => stop(143));
  watchLauncher(() => stop(137));
  try {
    if (file === "-" && options.input === "-")
      throw usageError("Cannot read standard input twice: for the program and for --input");
    const url = serverUrl(options.url, "/run");
    const code = await readInput(file);
    const body = await formOf(file, await joined(file, code), options);
    const headers = {
      accept: "text/event-stream",
      ...(options.key !== undefined && { authorization: `Bearer ${options.key}` }),
    };
    const report = new RunReport({ file: file === "-" ? "standard input" : file, code, json: options.json === true });
    const response = await send(url, { method: "POST", headers, body, signal: hangUp.signal });
    process.exitCode = await follow(response, report);
  } catch (error) {
    if (hangUp.signal.aborted) process.exit(process.exitCode);
    throw error;
  }
}

/** Reports the run to its end. Gives the exit code. */
async function follow(response: Response, report: RunReport): Promise<number> {
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (!isStream || response.body === null) {
    await report.event({ name: "error", data: JSON.stringify(await errorOf(response)) });
    return report.exitCode;
  }
  const { readEvents } = await import("../../sdk/event_stream.ts");
  try {
    for await (const event of readEvents(response.body)) await report.event(event);
  } catch (error) {
    if (process.exitCode === undefined)
      throw new Error(`Cannot read on: the server hung up (${messageOf(error)})`, { cause: error });
    throw error;
  }
  if (!report.ended) throw new Error("Cannot read on: the server hung up before the run had ended");
  return report.exitCode;
}

async function readInput(file: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return file === "-" ? await Bun.stdin.bytes() : await Bun.file(file).bytes();
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw usageError(`Cannot read ${file}: ${isMissing ? "there is no such file" : messageOf(cause)}`);
  }
}

/** An import of a module of WebAssembly that lies beside the program. */
const IMPORTS_WASM = /^\s*import\b[^"';]*["']\.{1,2}\/[^"'\n]+\.wasm["']/m;

/** The program with the modules of WebAssembly that it imports; as it is when there are none. */
async function joined(file: string, code: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (file === "-" || !IMPORTS_WASM.test(new TextDecoder().decode(code))) return code;
  const { bundle } = await import("../deploy/bundle.ts");
  const path = resolve(file);
  const [bundled] = await bundle([{ name: basename(file), path }], dirname(path), paintFor(process.stderr));
  return bundled === undefined ? code : new TextEncoder().encode(bundled.code);
}

/** The program and all that goes with it, as the form that `/run` takes. */
async function formOf(
  file: string,
  code: Uint8Array<ArrayBuffer>,
  { env, args, input }: RunOptions,
): Promise<FormData> {
  const form = new FormData();
  form.append("code", new File([code], file === "-" ? "stdin.ts" : basename(file)));
  if (args !== undefined) {
    try {
      JSON.parse(args);
    } catch (cause) {
      throw usageError(`Cannot read --args: it is not JSON (${messageOf(cause)})`);
    }
    form.append("args", args);
  }
  if (env.length > 0) form.append("env", JSON.stringify(Object.fromEntries(env)));
  if (input !== undefined) form.append("input", new File([await readInput(input)], basename(input)));
  return form;
}
