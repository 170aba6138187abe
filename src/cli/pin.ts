/** `isopod pin FILE...`: registers programs by their hash, so that plans with `run = "pinned"` may run them. */
import { basename, resolve } from "node:path";
import { Command, Option } from "commander";
import { defaultDataDirectory, findToken } from "./data_directory.ts";
import { errorOf, send, serverUrl } from "./server_client.ts";

interface PinOptions {
  readonly url: string;
  readonly data: string;
  readonly json?: boolean;
}

/** A pinned program, as `--json` prints it. */
interface Pinned {
  readonly file: string;
  readonly hash: string;
  readonly url: string;
}

/** The command. */
export function pinCommand(): Command {
  return new Command("pin")
    .description('Register programs by their hash: who may run "pinned" ones only can run these, and nothing else.')
    .argument("<file...>", "programs, as they will be sent; imports are part of what they fetch, not of the hash")
    .addOption(new Option("--url <url>", "the admin API").env("ISOPOD_URL").default("http://127.0.0.1:8081"))
    .addOption(
      new Option("--data <dir>", "the server's data, where its token lies")
        .env("ISOPOD_DATA")
        .default(defaultDataDirectory()),
    )
    .option("--json", "print [{file, hash, url}] as JSON")
    .addHelpText(
      "after",
      "\nThe admin token is ISOPOD_TOKEN, else that of the local server.\n\nExample:\n  isopod pin report.ts\n  curl http://127.0.0.1:8080/run/sha256-...\n",
    )
    .action(pin);
}

async function pin(files: string[], options: PinOptions): Promise<void> {
  const token = process.env["ISOPOD_TOKEN"] || findToken(resolve(options.data));
  if (token === undefined) {
    throw new Error(
      `Cannot find the admin token: set ISOPOD_TOKEN, or name the server's data with --data (looked in ${options.data})`,
    );
  }
  const programs = await Promise.all(files.map(async (file) => ({ file, code: await readProgram(file) })));
  const admin = serverUrl(options.url, "/");
  const run = await runUrl(admin, token);
  const pinned: Pinned[] = [];
  for (const { file, code } of programs) {
    const hash = await pinOne(admin, token, file, code);
    pinned.push({ file, hash, url: `${run}/${hash}` });
    if (!options.json) process.stdout.write(`${hash}  ${run}/${hash}  ${file}\n`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(pinned)}\n`);
}

async function readProgram(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await Bun.file(file).bytes());
  } catch (cause) {
    const reason = cause instanceof TypeError ? "it is not UTF-8" : "there is no such file, or it cannot be read";
    throw new Error(`Cannot read ${file}: ${reason}`, { cause });
  }
}

async function pinOne(admin: URL, token: string, file: string, code: string): Promise<string> {
  const language = /\.[mc]?jsx?$/i.test(basename(file)) ? "javascript" : "typescript";
  const response = await send(new URL("/v1/pins", admin), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ code, language }),
  });
  if (!response.ok) throw new Error(`Cannot pin ${file}: ${(await errorOf(response)).message}`);
  const { hash } = (await response.json()) as { readonly hash: string };
  return hash;
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
