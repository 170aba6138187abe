/** `isopod serve`: starts a server, reloads its configuration, and ends it in order. */
import { watch } from "node:fs";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { type Config, defaultConfig } from "../control/config.ts";
import { loadConfig } from "../control/config_file.ts";
import { defaultDataDirectory } from "../control/data_directory.ts";
import { CONFIG_CHECKS, type Server, startServer } from "../main.ts";

interface ServeOptions {
  readonly config?: string;
  readonly data: string;
  readonly sandbox?: "bubblewrap" | "none";
  readonly welcome?: boolean;
}

/** The command. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("Serve the functions of a configuration, and programs that arrive with requests.")
    .addOption(new Option("--config <file>", "the configuration (TOML)").env("ISOPOD_CONFIG"))
    .addOption(new Option("--data <dir>", "where the server keeps its data").env("ISOPOD_DATA").default(defaultDataDirectory()))
    .addOption(new Option("--sandbox <kind>", "none is for trusted code on your own machine only").choices(["bubblewrap", "none"]))
    .addOption(new Option("--welcome", "print commands worth trying").hideHelp())
    .addHelpText("after", "\nExample:\n  isopod serve --config isopod.toml\n  curl localhost:8080/run --data 'console.log(\"hello\")'\n")
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  let server: Server;
  let config: Config;
  try {
    config = await readConfig(options);
    server = await startServer({ config, dataDirectory: resolve(options.data), logLevel: process.env["ISOPOD_LOG"] });
  } catch (error) {
    process.stderr.write(`isopod: ${error instanceof Error ? error.message : error}\n`);
    process.exit(1);
  }
  announce(server, options);
  const ended = waitForEnd();
  const stopWatching = watchConfig(server, options);
  await ended;
  stopWatching();
  await server.close();
  process.exit(0);
}

async function readConfig({ config, sandbox }: ServeOptions): Promise<Config> {
  const read = config === undefined ? defaultConfig() : await loadConfig(config, CONFIG_CHECKS);
  return sandbox === undefined ? read : { ...read, sandbox };
}

function announce({ listener, admin, log, status }: Server, options: ServeOptions): void {
  const url = `http://${listener.host}:${listener.port}`;
  log.info("The server is ready", { listen: url, admin: `http://${admin.host}:${admin.port}`, ...status() });
  if (options.sandbox === "none") log.warn("There is no sandbox: every program can do what this user can");
  if (!options.welcome) return;
  process.stdout.write(`
Isopod serves ${url}. Try:

  curl ${url}/hello/Ada
  curl ${url}/run --data 'for (let i = 1; i <= 3; i++) { console.log("hello", i); await Bun.sleep(300) }'
  curl ${url}/run -H 'Isopod-Args: {"n": 20}' --data 'export default (req, env, { args }) => ({ squares: Array.from({ length: args.n }, (_, i) => i * i) })'

`);
}

/** Resolves when somebody asks the server to end. A second time ends it at once. */
function waitForEnd(): Promise<void> {
  return new Promise((resolveEnd) => {
    let asked = false;
    const ask = () => {
      if (asked) process.exit(130);
      asked = true;
      resolveEnd();
    };
    process.on("SIGINT", ask);
    process.on("SIGTERM", ask);
  });
}

/** A burst of changes to the file counts as one after this long, in milliseconds. */
const SETTLE_MS = 100;

/** Reloads on SIGHUP and when the file changes; a mistake is logged, and the present configuration stays. */
function watchConfig(server: Server, options: ServeOptions): () => void {
  let reloading = Promise.resolve();
  const reload = () => {
    reloading = reloading.then(async () => {
      try {
        await server.reload(await readConfig(options));
      } catch (error) {
        server.log.error("The configuration was not reloaded", { reason: error instanceof Error ? error.message : String(error) });
      }
    });
  };
  process.on("SIGHUP", reload);
  if (options.config === undefined) return () => {};
  let settling: ReturnType<typeof setTimeout> | undefined;
  const watcher = watch(options.config, () => {
    clearTimeout(settling);
    settling = setTimeout(reload, SETTLE_MS);
  });
  return () => {
    clearTimeout(settling);
    watcher.close();
  };
}
