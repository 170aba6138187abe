/** A PostgreSQL cluster of a test's own: in a temporary folder, on a free port of loopback, as a user who is not root. */
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from "./test_certificate.ts";

/** PostgreSQL refuses to run as root: then it is nobody. */
const NOBODY = 65_534;
const START_MS_MAX = 20_000;
/** Others may take a port between our look at it and PostgreSQL's. */
const PORTS_TRIED_MAX = 5;
const INITDB = ["-U", "admin", "--auth=trust", "--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"];
const SETTINGS = ["fsync=off", "full_page_writes=off", "listen_addresses=127.0.0.1", "max_connections=60"];

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
  readonly directory: string;
  #port = 0;
  #child: Bun.Subprocess | undefined;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Makes and starts one. It speaks TLS with the test's certificate. @throws {Error} when it does not start */
  static async start(): Promise<PostgresServer> {
    const directory = mkdtempSync(join(tmpdir(), "isopod-pg-"));
    const server = new PostgresServer(directory);
    try {
      chmodSync(directory, 0o700);
      own(directory);
      if ((await run(["initdb", "-D", join(directory, "data"), ...INITDB]).exited) !== 0) {
        throw new Error("initdb has failed");
      }
      for (const [name, text] of [
        ["server.crt", TEST_CERTIFICATE],
        ["server.key", TEST_CERTIFICATE_KEY],
      ] as const) {
        writeFileSync(join(directory, name), text, { mode: 0o600 });
        own(join(directory, name));
      }
      for (let tries = 1; !(await server.#start()); tries += 1) {
        if (tries === PORTS_TRIED_MAX) throw new Error("the cluster does not start");
      }
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Its port of 127.0.0.1. */
  get port(): number {
    return this.#port;
  }

  /** The number of its first process. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The URL of a database for a user; every password will do. */
  url(database = "postgres", user = "admin"): string {
    return `postgres://${user}:secret@127.0.0.1:${this.port}/${database}`;
  }

  /** Runs SQL as the cluster's administrator; the rows as lines. */
  async admin(sql: string, database = "postgres"): Promise<string> {
    const command = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, this.url(database)];
    const child = Bun.spawn([join(postgresFolder() ?? "", "psql"), ...command], { stderr: "pipe" });
    const [text, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    if ((await child.exited) !== 0) throw new Error(errors);
    return text.trim();
  }

  /** Ends it at once, with all connections and without a farewell, and starts it again at the same port. */
  async crash(): Promise<void> {
    await this.#kill();
    if (!(await this.#start(this.#port))) throw new Error("the cluster does not start again");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #kill(): Promise<void> {
    // The postmaster ends its processes and waits for them; a kill of it alone would leave them.
    this.#child?.kill("SIGQUIT");
    await this.#child?.exited;
  }

  async #start(port?: number): Promise<boolean> {
    this.#port = port ?? (await freePort());
    const { directory } = this;
    const tls = ["ssl=on", `ssl_cert_file=${directory}/server.crt`, `ssl_key_file=${directory}/server.key`];
    const settings = [...SETTINGS, ...tls, `port=${this.#port}`, `unix_socket_directories=${directory}`];
    const data = join(directory, "data");
    const child = run(["postgres", "-D", data, ...settings.flatMap((setting) => ["-c", setting])]);
    this.#child = child;
    const since = performance.now();
    while (child.exitCode === null && performance.now() - since < START_MS_MAX) {
      if (await this.admin("SELECT 1").catch(() => false)) return true;
    }
    await this.#kill();
    return false;
  }
}

function own(path: string): void {
  if (process.getuid?.() === 0) chownSync(path, NOBODY, NOBODY);
}

function run(command: readonly string[]): Bun.Subprocess {
  const [program = "", ...args] = command;
  const whole = [join(postgresFolder() ?? "", program), ...args];
  const nobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const prefix = process.getuid?.() === 0 ? nobody : [];
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
