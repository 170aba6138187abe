/** Isopod as it is installed and used: `bin/isopod serve` with a configuration in a temporary folder. */
import { chmodSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { endWithUs, type Peer, until } from "./peer.ts";
import { descendants } from "./proc.ts";

/** What `GET /status` says that is of use here. */
export interface Status {
  readonly pid: number;
  readonly pool: {
    readonly instances: number;
    readonly prewarmed: number;
    readonly functions: number;
    readonly invocations: number;
  };
  readonly admission: { readonly admitted: number; readonly waiting: number };
  readonly layers: readonly string[];
}

/** A running server. */
export interface Isopod extends Peer {
  /** Where configuration, functions and data are. */
  readonly directory: string;
  status(): Promise<Status>;
  /** Asks the admin listener with the server's token. */
  admin(path: string, init?: RequestInit): Promise<Response>;
  /** Writes the configuration anew; the server sees it and reloads. */
  configure(toml: string): void;
}

/** How a server is started. */
export interface IsopodOptions {
  /** TOML after the addresses. */
  readonly config: string;
  /** Files beside the configuration, by name; what begins with `#!` can be executed. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** What reports call it; `Isopod` when left out. */
  readonly name?: string;
  /** A file in the temporary folder for the log; without it, the log is written to /dev/null. */
  readonly logFile?: string;
}

/** Starts a server and waits until its stock of prewarmed instances is full. @throws {Error} when it does not start */
export async function startIsopod({ config, files, logFile, name = "Isopod" }: IsopodOptions): Promise<Isopod> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-bench-"));
  chmodSync(directory, 0o755);
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.on("exit", remove);
  const [port, adminPort] = freePorts();
  const configure = (toml: string) =>
    writeFileSync(
      join(directory, "isopod.toml"),
      `listen_address = "127.0.0.1:${port}"\nadmin_address = "127.0.0.1:${adminPort}"\n${toml}`,
    );
  configure(config);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    const runs = typeof content === "string" && content.startsWith("#!");
    writeFileSync(join(directory, file), content, { mode: runs ? 0o755 : 0o644 });
  }
  const log = openSync(logFile === undefined ? "/dev/null" : join(directory, logFile), "a");
  const bin = join(import.meta.dir, "..", "bin", "isopod");
  const launcher = Bun.spawn(
    ["node", bin, "serve", "--config", join(directory, "isopod.toml"), "--data", join(directory, "data")],
    {
      stdio: ["ignore", "ignore", log],
    },
  );
  endWithUs(launcher);
  const admin = (path: string, init?: RequestInit) => {
    const token = readFileSync(join(directory, "data", "admin-token"), "utf8").trim();
    return fetch(`http://127.0.0.1:${adminPort}${path}`, { ...init, headers: { authorization: `Bearer ${token}` } });
  };
  const status = async () => (await (await admin("/status")).json()) as Status;
  let pid = launcher.pid;
  const end = async () => {
    launcher.kill("SIGTERM");
    const late = setTimeout(() => {
      for (const each of descendants(launcher.pid)) process.kill(each, "SIGKILL");
    }, 15_000);
    await launcher.exited;
    clearTimeout(late);
    remove();
    process.off("exit", remove);
  };
  try {
    await until("Isopod to start", async () => {
      if (launcher.exitCode !== null) throw new Error(`Cannot start Isopod: it ended with ${launcher.exitCode}`);
      const now = await status().catch(() => undefined);
      pid = now?.pid ?? pid;
      return now !== undefined && now.pool.prewarmed > 0;
    });
  } catch (error) {
    await end();
    throw error;
  }
  return { name, port, pid, directory, status, admin, configure, [Symbol.asyncDispose]: end };
}

/** Two ports that are free now. */
function freePorts(): [number, number] {
  const listeners = [0, 0].map(() => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }));
  const [first, second] = listeners.map(({ port }) => port);
  for (const listener of listeners) listener.stop(true);
  return [first as number, second as number];
}
