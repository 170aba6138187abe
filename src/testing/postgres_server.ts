/** A PostgreSQL cluster of a test's own: in a temporary folder, on a free port of loopback, as a user who is not root. */
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** PostgreSQL refuses to run as root: then it is nobody. */
const NOBODY = 65_534;
const START_MS_MAX = 20_000;

/** The folder of PostgreSQL's programs; undefined where there are none. */
export function postgresFolder(): string | undefined {
  const own = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").sort() : [];
  const folders = own.map((version) => `/usr/lib/postgresql/${version}/bin`);
  const onPath = Bun.which("initdb");
  if (folders.length === 0 && onPath !== null) folders.push(join(onPath, ".."));
  return folders.findLast((folder) => existsSync(join(folder, "initdb")));
}

/** A cluster that runs. */
export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  #child: Bun.Subprocess;

  private constructor(directory: string, port: number, child: Bun.Subprocess) {
    this.#directory = directory;
    this.port = port;
    this.#child = child;
  }

  /** Makes and starts one. @throws {Error} when it does not start */
  static async start(): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), "isopod-pg-"));
    chmodSync(directory, 0o700);
    if (process.getuid?.() === 0) chownSync(directory, NOBODY, NOBODY);
    const data = join(directory, "data");
    const init = run([
      "initdb",
      "-D",
      data,
      "-U",
      "admin",
      "--auth=trust",
      "--no-sync",
      "--encoding=UTF8",
      "--locale=C",
    ]);
    if ((await init.exited) !== 0) throw new Error("initdb has failed");
    const port = await freePort();
    const server = new PostgresServer(directory, port, serve(data, directory, port));
    await server.#ready();
    return server;
  }

  /** The URL of a database for a user. */
  url(database = "postgres", user = "admin"): string {
    return `postgres://${user}:secret@127.0.0.1:${this.port}/${database}`;
  }

  /** Runs SQL as the cluster's administrator; the rows as lines. */
  async admin(sql: string, database = "postgres"): Promise<string> {
    const folder = postgresFolder() ?? "";
    const child = Bun.spawn([join(folder, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, this.url(database)], {
      stderr: "pipe",
    });
    const [text, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(errors);
    return text.trim();
  }

  /** Ends it at once, with all connections and without a farewell, and starts it again. */
  async crash(): Promise<void> {
    this.#child.kill("SIGQUIT");
    await this.#child.exited;
    this.#child = serve(join(this.#directory, "data"), this.#directory, this.port);
    await this.#ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGQUIT");
    await this.#child.exited;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const since = performance.now();
    while (performance.now() - since < START_MS_MAX) {
      if (this.#child.exitCode !== null) throw new Error("the cluster has ended");
      if (
        await this.admin("SELECT 1").then(
          () => true,
          () => false,
        )
      )
        return;
    }
    throw new Error("the cluster does not start");
  }
}

function serve(data: string, directory: string, port: number): Bun.Subprocess {
  const settings = [
    "fsync=off",
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    `unix_socket_directories=${directory}`,
    "max_connections=40",
  ];
  return run(["postgres", "-D", data, ...settings.flatMap((setting) => ["-c", setting])]);
}

function run(command: readonly string[]): Bun.Subprocess {
  const [program = "", ...args] = command;
  const whole = [join(postgresFolder() ?? "", program), ...args];
  const prefix =
    process.getuid?.() === 0 ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"] : [];
  return Bun.spawn([...prefix, ...whole], { stdio: ["ignore", "ignore", "ignore"], cwd: "/" });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
