/** A real `isopod serve` process for tests, with a folder of its own; what it logs, line by line. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findToken } from "../cli/reaching/data_directory.ts";

/** A line of the log. */
export type LogEntry = Readonly<Record<string, unknown>>;

const CLI = new URL("../cli/main.ts", import.meta.url).pathname;
const DEADLINE_MS = 20_000;

/** A running process. `await using` ends it and removes its folder. */
export class ServeProcess implements AsyncDisposable {
  readonly directory: string;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #lines: LogEntry[] = [];
  #wake: (() => void) | undefined;
  #ready: LogEntry = {};

  private constructor(directory: string) {
    this.directory = directory;
    const file = join(directory, "isopod.toml");
    this.#child = Bun.spawn([process.execPath, CLI, "serve", "--config", file, "--data", join(directory, "data")], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ISOPOD_LOG: "info" },
    });
    this.#read();
  }

  /**
   * Starts a server with these files, `isopod.toml` among them, and waits until it is ready. In the folder of one
   * that has ended, it finds what that one left.
   */
  static async start(files: Readonly<Record<string, string>>, after?: ServeProcess): Promise<ServeProcess> {
    const directory = after?.directory ?? mkdtempSync(join(tmpdir(), "isopod-serve-"));
    chmodSync(directory, 0o755);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const server = new ServeProcess(directory);
    server.#ready = await server.logged("The server is ready");
    return server;
  }

  get url(): string {
    return String(this.#ready["listen"]);
  }

  get adminUrl(): string {
    return String(this.#ready["admin"]);
  }

  /** The token that lies in the data directory. */
  get token(): string {
    return findToken(join(this.directory, "data")) ?? "";
  }

  /** Asks the admin listener with the token. */
  admin(path: string, init?: RequestInit): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}`, ...(init?.headers as Record<string, string> | undefined) };
    return fetch(`${this.adminUrl}${path}`, { ...init, headers });
  }

  /** Writes a file beside the configuration, or the configuration. */
  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Exit code, once it has ended. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  /** Lines with this message, up to now. */
  linesOf(message: string): LogEntry[] {
    return this.#lines.filter((line) => line["msg"] === message || line["message"] === message);
  }

  /** All that it has logged up to now. */
  get logLines(): readonly LogEntry[] {
    return this.#lines;
  }

  /** The access log up to now. */
  accessLines(): LogEntry[] {
    return this.#lines.filter((line) => line["access"] === true);
  }

  /** The `count`th line with this message, when it is there. @throws when it does not come in time */
  async logged(message: string, count = 1): Promise<LogEntry> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`Cannot wait for "${message}": the log has ${JSON.stringify(this.#lines.slice(-20))}`)),
      DEADLINE_MS,
    );
    try {
      for (;;) {
        const line = this.linesOf(message)[count - 1];
        if (line !== undefined) return line;
        const changed = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        await Promise.race([changed, late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#lines.push(parseLine(line));
      this.#wake?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) this.#child.kill("SIGTERM");
    await this.#child.exited;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function parseLine(line: string): LogEntry {
  try {
    return JSON.parse(line) as LogEntry;
  } catch {
    return { message: line };
  }
}
