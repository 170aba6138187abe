/**
 * A real server for tests: started in this process on ports that the system chooses, with real sandboxes, a
 * configuration given as TOML text, and a temporary folder that goes with it.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { findToken } from "../cli/reaching/data_directory.ts";
import { loadConfig } from "../control/config/file.ts";
import { startServer } from "../main.ts";
import { CONFIG_CHECKS } from "../read_config.ts";
import type { Server } from "../server.ts";

/** What a test server is made of. */
export interface TestServerOptions {
  /** TOML after the addresses, which the harness writes. */
  readonly config?: string;
  /** Files beside the configuration, by their relative path; what begins with `#!`, or is called `bootstrap`, can be executed. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Where the data plane listens; a loopback address when left out. */
  readonly listen?: string;
  /** Instances kept ready; 1 when left out. */
  readonly prewarmed?: number;
}

/** A running test server. */
export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  /** Address of the data plane, without a slash at the end. */
  readonly url: string;
  readonly adminUrl: string;
  readonly host: string;
  readonly port: number;
  readonly token: string;
  readonly directory: string;
  /** Asks the admin listener with the server's token, unless `init` has another credential. */
  admin(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a program to `/run`. */
  run(code: string, init?: RequestInit): Promise<Response>;
  /** Writes the configuration anew and reloads it. */
  reload(config: string): Promise<void>;
}

/** Starts a server; `await using` ends it with everything that it started. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-test-"));
  chmodSync(directory, 0o755);
  const data = join(directory, "data");
  for (const [name, content] of Object.entries(options.files ?? {})) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    const runs = basename(name) === "bootstrap" || (typeof content === "string" && content.startsWith("#!"));
    writeFileSync(join(directory, name), content, { mode: runs ? 0o755 : 0o644 });
  }
  const configFile = join(directory, "isopod.toml");
  const read = (text: string) => {
    const pool = /^\[pool\]/m.test(text) ? "" : `\n[pool]\nprewarmed = ${options.prewarmed ?? 1}\n`;
    writeFileSync(
      configFile,
      `listen_address = "${options.listen ?? "127.0.0.1:0"}"\nadmin_address = "127.0.0.1:0"\n${text}${pool}`,
    );
    return loadConfig(configFile, CONFIG_CHECKS);
  };
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const start = async () =>
    startServer({ config: await read(options.config ?? ""), dataDirectory: data, logLevel: "silent" });
  const server = await start().catch((error) => {
    remove();
    throw error;
  });
  const url = `http://127.0.0.1:${server.listener.port}`;
  return {
    server,
    url,
    adminUrl: `http://127.0.0.1:${server.admin.port}`,
    host: "127.0.0.1",
    port: server.listener.port,
    token: findToken(data) ?? "",
    directory,
    admin(path, init) {
      const headers = new Headers(init?.headers);
      if (!headers.has("authorization")) headers.set("authorization", `Bearer ${findToken(data)}`);
      return fetch(`http://127.0.0.1:${server.admin.port}${path}`, { ...init, headers });
    },
    run: (code, init) => fetch(`${url}/run`, { method: "POST", body: code, ...init }),
    reload: async (text) => server.reload(await read(text)),
    async [Symbol.asyncDispose]() {
      await server.close();
      remove();
    },
  };
}
