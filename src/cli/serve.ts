/** `isopod serve`: starts a server, reloads its configuration, and ends it in order. */
import { watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import type { Server } from "../server.ts";
import { usageError } from "./exit_codes.ts";
import { waitForEnd } from "./lifeline.ts";
import { defaultDataDirectory } from "./reaching/data_directory.ts";
import { urlOf } from "./reaching/server_client.ts";
import { fail, messageOf } from "./terminal/terminal.ts";

interface ServeOptions {
  readonly config?: string;
  readonly data: string;
  readonly listen?: string;
  readonly admin?: string;
  readonly sandbox?: "bubblewrap" | "none";
  readonly welcome?: boolean;
}

const HELP = `
The file's keys are explained in docs/configuration.md; it is read again when it changes, and on SIGHUP.
Ctrl-C (SIGINT) or SIGTERM ends the server when what runs has ended; once more, a second or more later, ends it at once. A
terminal that is closed ends it, too. ISOPOD_LOG sets the level of the log on stderr: debug, info, warn, error or silent.
ISOPOD_CACHE is a folder in which servers share the guest that they make at the first start (110 MB); without it each
keeps one in its data directory.

Examples:
  isopod serve
  curl localhost:8080/run --data 'console.log("hello")'

  isopod serve --config isopod.toml --listen 127.0.0.1:9090
`;

/** The command. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("Serve the functions of a configuration, and programs that arrive with requests.")
    .addOption(
      new Option("--config <file>", "the configuration (TOML); without one, /run for this machine only").env(
        "ISOPOD_CONFIG",
      ),
    )
    .addOption(
      new Option("--data <dir>", "where the server keeps its data").env("ISOPOD_DATA").default(defaultDataDirectory()),
    )
    .option("--listen <host:port>", "in the place of the file's listen_address; port 0 takes any free one")
    .option("--admin <host:port>", "in the place of the file's admin_address")
    .addOption(
      new Option("--sandbox <kind>", "none is for trusted code on your own machine only").choices([
        "bubblewrap",
        "none",
      ]),
    )
    .addOption(new Option("--welcome", "print commands worth trying").hideHelp())
    .addHelpText("after", HELP)
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  let hangup = () => {};
  const ended = waitForEnd(() => hangup());
  const [{ readConfig }, { startServer }] = await Promise.all([import("../read_config.ts"), import("../main.ts")]);
  const read = () => readConfig({ ...options, file: options.config });
  const config = await read().catch((error: unknown) => fail(usageError(messageOf(error))));
  let server: Server;
  try {
    server = await startServer({
      config,
      dataDirectory: resolve(options.data),
      logLevel: process.env["ISOPOD_LOG"],
    });
  } catch (error) {
    const isTaken = error instanceof Error && (error.cause as { code?: unknown } | undefined)?.code === "EADDRINUSE";
    fail(isTaken ? new Error(`${error.message}; --listen and --admin name other addresses`, { cause: error }) : error);
  }
  announce(server, options);
  const reload = inTurn(async () => {
    try {
      await server.reload(await read());
    } catch (error) {
      server.log.error("The configuration was not reloaded", { reason: messageOf(error) });
    }
  });
  hangup = reload;
  const stopWatching = watchConfig(options.config, reload);
  await ended;
  server.log.info("The server is ending; asked once more it ends at once");
  stopWatching();
  await server.close();
  process.exit(0);
}

function announce({ listener, admin, log, status }: Server, options: ServeOptions): void {
  const url = urlOf(listener);
  log.info("The server is ready", { ...status(), listen: url, admin: urlOf(admin) });
  if (!options.welcome) return;
  process.stdout.write(`
Isopod serves ${url}. Try:

  curl ${url}/hello/Ada
  curl -N ${url}/run --data 'for (let i = 1; i <= 3; i++) { console.log("hello", i); await Bun.sleep(300) }'
  curl ${url}/run -H 'Isopod-Args: {"n": 20}' --data 'export default (req, env, { args }) => ({ squares: Array.from({ length: args.n }, (_, i) => i * i) })'

`);
}

/** A burst of changes to the file counts as one after this long, in milliseconds. */
const SETTLE_MS = 100;

/** Starts `work` when it is called, one run after the other. */
function inTurn(work: () => Promise<void>): () => void {
  let working = Promise.resolve();
  return () => {
    working = working.then(work);
  };
}

/**
 * Calls `reload` when the file changes. The folder is watched, not the file: an editor that writes a new file and
 * renames it would leave us with the old one.
 */
function watchConfig(file: string | undefined, reload: () => void): () => void {
  if (file === undefined) return () => {};
  let settling: ReturnType<typeof setTimeout> | undefined;
  const name = basename(file);
  const watcher = watch(dirname(resolve(file)), (_, changed) => {
    if (changed !== null && changed !== name) return;
    clearTimeout(settling);
    settling = setTimeout(reload, SETTLE_MS);
  });
  return () => {
    clearTimeout(settling);
    watcher.close();
  };
}
