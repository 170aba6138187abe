/**
 * `isopod dev [DIR]`: serves what is being written, with the sandbox and the limits that it will have in production, and
 * reloads when a source file changes. What cannot be loaded is told, and the version before goes on being served.
 */
import { Command, Option } from "commander";
import type { Config } from "../../read_config.ts";
import type { Server } from "../../server.ts";
import { usageError } from "../exit_codes.ts";
import { waitForEnd } from "../lifeline.ts";
import type { LogItem } from "../logs/log_lines.ts";
import { AdminClient } from "../reaching/admin_client.ts";
import { findToken } from "../reaching/data_directory.ts";
import { urlOf } from "../reaching/server_client.ts";
import { fail, messageOf } from "../terminal/terminal.ts";
import { openDevDirectory } from "./dev_directory.ts";
import { freeAddress } from "./free_address.ts";
import { DevReport, type Unrouted } from "./report.ts";
import { type DevSource, devEnvironment, findDevSource, foldersOf, isWithoutApps } from "./source.ts";
import { SourceWatch } from "./source_watch.ts";

interface DevOptions {
  readonly listen?: string;
  readonly admin?: string;
  readonly sandbox?: "bubblewrap" | "none";
  readonly json?: boolean;
}

const HELP = `
DIR is a folder with an isopod.toml, a single script or program (it answers everywhere), a folder with an index.ts or a
bootstrap, or a folder of apps (each answers at /apps/NAME). Data lies in DIR/.isopod, apart from any other server's. Secrets are read from the
environment by their names, or from DIR/.env, which no program ever sees.

Examples:
  isopod dev
  isopod dev hello.ts --listen 127.0.0.1:3000
  curl localhost:3000/anything
`;

/** The command. */
export function devCommand(): Command {
  return new Command("dev")
    .description("Serve functions while they are written: reloads on change, shows logs and errors.")
    .argument("[dir]", "what to serve", ".")
    .option("--listen <host:port>", "where functions answer (default: 127.0.0.1:8080 when it is free, else any port)")
    .option("--admin <host:port>", "where the admin API answers (default: 127.0.0.1:8081, likewise)")
    .addOption(
      new Option("--sandbox <kind>", "none is for trusted code on your own machine only").choices([
        "bubblewrap",
        "none",
      ]),
    )
    .option("--json", "print {event: ready|reloaded|broken|note|log|unrouted, ...}, a line each")
    .addHelpText("after", HELP)
    .action(dev);
}

async function dev(dir: string, options: DevOptions): Promise<void> {
  const ended = waitForEnd();
  const source = findDevSource(dir);
  const report = new DevReport(source.folder, options.json === true);
  const development = new Development(source, options, report);
  await development.start();
  await ended;
  await development.close();
  process.exit(0);
}

/** A server that follows its sources. */
class Development {
  readonly #source: DevSource;
  readonly #options: DevOptions;
  readonly #report: DevReport;
  readonly #dataDirectory: string;
  readonly #watch: SourceWatch;
  readonly #ending = new AbortController();
  #server: Server | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isStale = false;

  constructor(source: DevSource, options: DevOptions, report: DevReport) {
    this.#source = source;
    this.#options = options;
    this.#report = report;
    this.#dataDirectory = openDevDirectory(source.folder);
    this.#watch = new SourceWatch(() => this.#renewInTurn());
  }

  /** Watches, and serves as soon as what there is can be served. */
  async start(): Promise<void> {
    this.#watch.follow(this.#source.folder);
    if (this.#watch.isFull) this.#report.note("There are more folders than are watched; changes in some are not seen");
    this.#renewInTurn();
    await this.#turn;
  }

  async close(): Promise<void> {
    this.#watch.close();
    await this.#turn;
    this.#ending.abort();
    await this.#server?.close();
  }

  /** One renewal at a time; changes during one make one more. */
  #renewInTurn(): void {
    if (this.#isStale) return;
    this.#isStale = true;
    const changedAt = performance.now();
    this.#turn = this.#turn.then(() => {
      this.#isStale = false;
      return this.#renew(changedAt);
    });
  }

  async #renew(since: number): Promise<void> {
    try {
      const config = await this.#read();
      for (const declared of config.functions) for (const each of foldersOf(declared)) this.#watch.follow(each);
      if (config.apps !== undefined) this.#watch.follow(config.apps);
      if (this.#server === undefined) return await this.#open(config, since);
      await this.#server.reload(config);
      this.#report.reloaded(performance.now() - since);
    } catch (error) {
      // What the machine lacks, or somebody else has, no change of a source will mend.
      if (this.#server === undefined && !isOfSources(error)) fail(error);
      await this.#report.broken(error, this.#server !== undefined);
    }
  }

  async #read(): Promise<Config> {
    const { readConfig } = await import("../../read_config.ts");
    const { folder, file, text } = this.#source;
    const { listen, admin, sandbox } = this.#options;
    try {
      return await readConfig({
        ...{ file, text, sandbox, developer: devEnvironment(folder) },
        listen: listen ?? freeAddress(8080),
        admin: admin ?? freeAddress(8081),
      });
    } catch (error) {
      throw isOfSources(error) ? error : usageError(messageOf(error));
    }
  }

  async #open(config: Config, since: number): Promise<void> {
    const { startServer } = await import("../../main.ts");
    const logLevel = process.env["ISOPOD_LOG"] ?? "warn";
    const dataDirectory = this.#dataDirectory;
    const unrouted = (request: Unrouted) => this.#report.unrouted(request);
    const server = await startServer({ config, dataDirectory, logLevel, requestLog: false, unrouted, tryOut: true });
    this.#server = server;
    const [url, admin] = [urlOf(server.listener), urlOf(server.admin)];
    const routes = config.functions.flatMap(({ name, routes }) => {
      return routes.map(
        ({ method = "ANY", host = "", path }) => `${method} ${host === "" ? url : host}${path}  ${name}`,
      );
    });
    const apps = config.apps === undefined ? [] : [`ANY ${url}/apps/NAME/*`];
    this.#report.ready({
      url,
      admin,
      data: dataDirectory,
      routes: [...routes, ...apps],
      ms: performance.now() - since,
    });
    if (config.apps !== undefined && isWithoutApps(config.apps)) {
      this.#report.note(
        "Nothing is in this folder yet: each folder in it becomes an app; `isopod init` writes a function",
      );
    }
    void this.#showLogs(admin);
  }

  async #showLogs(admin: string): Promise<void> {
    const target = {
      url: new URL(admin),
      token: findToken(this.#dataDirectory),
      project: "default",
      projectNamed: false,
      lookedFor: "",
    };
    try {
      const events = new AdminClient(target).events("/v1/logs?follow=true", this.#ending.signal);
      for await (const { data } of events) await this.#report.record(JSON.parse(data) as LogItem);
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#report.note(`The log cannot be followed: ${messageOf(error)}`);
    }
  }
}

/** Whether an error is about what is being written: its configuration, or its code. */
function isOfSources(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === "ConfigError" || (error.cause instanceof Error && error.cause.name === "IsopodError");
}
