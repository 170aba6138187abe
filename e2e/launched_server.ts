/**
 * A server that was started as its users start it: by a command, in a folder, with an environment; found ready by what
 * it logs, and gone with everything below it when the test is over.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Any free ports, so that a server of the machine's user is never met. */
export const ANY_PORTS = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

const READY_MS_MAX = 15_000;
const POLL_MS = 10;

/** How the command is started. */
export interface LaunchOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Becomes this user first; needs root. */
  readonly uid?: number;
  /** How long until it is ready, in milliseconds; longer where it has to install something. */
  readonly readyMsMax?: number;
  /** Whether it leads a group of processes, which can be sent signals as a whole. */
  readonly group?: boolean;
}

/** The running server. */
export interface LaunchedServer extends AsyncDisposable {
  readonly url: string;
  readonly admin: string;
  /** Of the server itself, which is a child of the command's process where there is a launcher. */
  readonly pid: number;
  readonly command: Bun.Subprocess<"ignore", "pipe", "pipe">;
  /** From the command to the first request that could be answered, in milliseconds. */
  readonly readyMs: number;
  stdout(): string;
  stderr(): string;
}

/** Starts the command. @throws {Error} with what it wrote when no server gets ready */
export async function launchServer(command: readonly string[], options: LaunchOptions = {}): Promise<LaunchedServer> {
  const started = performance.now();
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ISOPOD_LOG: "info", ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.uid !== undefined && { uid: options.uid, gid: options.uid }),
    ...(options.group === true && { detached: true }),
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const findReady = () => readyLine(stderr());
  try {
    await until(() => findReady() !== undefined || child.exitCode !== null, options.readyMsMax ?? READY_MS_MAX);
  } catch {
    // Told below.
  }
  const ready = findReady();
  if (ready === undefined) {
    await end(child);
    throw new Error(`No server got ready (exit ${child.exitCode}):\n${stdout()}${stderr()}`);
  }
  const readyMs = performance.now() - started;
  return {
    url: ready.listen,
    admin: ready.admin,
    pid: ready.pid,
    command: child,
    readyMs,
    stdout,
    stderr,
    async [Symbol.asyncDispose]() {
      await end(child);
      // npx has a shell between itself and the launcher, which passes no signal on.
      if (!isAlive(ready.pid)) return;
      process.kill(ready.pid, "SIGTERM");
      await until(() => !isAlive(ready.pid), READY_MS_MAX);
    },
  };
}

interface Ready {
  readonly listen: string;
  readonly admin: string;
  readonly pid: number;
}

function readyLine(log: string): Ready | undefined {
  const line = log.split("\n").find((text) => text.includes('"The server is ready"') && text.endsWith("}"));
  return line === undefined ? undefined : JSON.parse(line);
}

async function end(child: Bun.Subprocess): Promise<void> {
  child.kill("SIGTERM");
  const killing = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await child.exited;
  clearTimeout(killing);
}

function collect(stream: ReadableStream<Uint8Array>): () => string {
  let text = "";
  const decoder = new TextDecoder();
  const read = async () => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  };
  read().catch(() => {});
  return () => text;
}

/** The credential of the server whose data lies in `directory`. */
export function tokenHeaders(directory: string): Record<string, string> {
  return { authorization: `Bearer ${readFileSync(join(directory, "admin-token"), "utf8").trim()}` };
}

/** Waits for something that sends no event. @throws {Error} after `msMax` */
export async function until(holds: () => boolean, msMax: number): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`Cannot go on: nothing happened within ${msMax} ms`);
    await Bun.sleep(POLL_MS);
  }
}

/** The processes below `pid`, those of its sandboxes among them. */
export function descendants(pid: number): number[] {
  let children: number[] = [];
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
  } catch {
    // It is gone.
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Whether process `pid` is there and not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return false;
  }
}

/** A temporary folder, removed at the end of the block that uses it. */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

/** Makes an empty folder. */
export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), "isopod-e2e-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs a command to its end. @throws {Error} with what it wrote when it fails */
export function runCommand(
  command: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): string {
  const result = Bun.spawnSync([...command], { cwd, env: { ...process.env, ...env } });
  if (result.success) return result.stdout.toString();
  throw new Error(`${command.join(" ")} ended with ${result.exitCode}:\n${result.stdout}${result.stderr}`);
}

/** Copies what git would have of the working tree, changes that are not committed included. */
export function copyCheckout(from: string, to: string): void {
  const listed = runCommand(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], from);
  const paths = listed.split("\0").filter((path) => path !== "" && existsSync(join(from, path)));
  const packed = Bun.spawnSync(["tar", "--null", "--files-from=-", "-cf", "-"], {
    cwd: from,
    stdin: Buffer.from(paths.join("\0")),
  });
  if (!packed.success) throw new Error(`Cannot copy the checkout: ${packed.stderr}`);
  const unpacked = Bun.spawnSync(["tar", "-xf", "-"], { cwd: to, stdin: packed.stdout });
  if (!unpacked.success) throw new Error(`Cannot copy the checkout: ${unpacked.stderr}`);
}
