/** Runs the command line of this checkout as a process, as a terminal-less script would. */
import { join } from "node:path";

const MAIN = join(import.meta.dir, "..", "cli", "main.ts");

/** What a command did. */
export interface CommandEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How it is run. */
export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly cwd?: string;
  /** Goes before the command, such as `unshare`. */
  readonly prefix?: readonly string[];
}

/** Starts `isopod ...args`. */
export function startIsopod(args: readonly string[], { env, stdin, cwd, prefix = [] }: CommandOptions = {}) {
  return Bun.spawn([...prefix, process.execPath, MAIN, ...args], {
    stdio: [Buffer.from(stdin ?? ""), "pipe", "pipe"],
    env: { PATH: process.env["PATH"] ?? "", ...env },
    ...(cwd !== undefined && { cwd }),
  });
}

/** Runs `isopod ...args` to its end. */
export async function isopod(args: readonly string[], options: CommandOptions = {}): Promise<CommandEnd> {
  const child = startIsopod(args, options);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
