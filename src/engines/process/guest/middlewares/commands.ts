/** How middlewares are started, and what they find in their environment. */
import type { Hook, MiddlewareSettings } from "../../../../core/middleware.ts";
import type { HookContext } from "../../../../wire/hooks.ts";
import type { Child, LogSink } from "../child.ts";

/** Where the middlewares of an instance are. */
export const MIDDLEWARES_PATH = "/var/middlewares";

/** What running middlewares takes of the guest. */
export interface HookHost {
  readonly env: Readonly<Record<string, string>>;
  /** Starts a program whose end is nobody's but its own. @throws {Error} when it cannot be started */
  startApart(command: readonly string[], env: Readonly<Record<string, string>>, cwd: string, log: LogSink): Child;
  /** Writes a line to the log of an invocation; of none with 0. */
  logLine(stream: number, line: string): void;
}

/** The words that start a middleware. A module is run by this very program, which is Bun. */
export function commandOf({ file, isModule }: MiddlewareSettings, word: Hook | "serve"): readonly string[] {
  const path = `${MIDDLEWARES_PATH}/${file}`;
  return isModule ? [process.execPath, path, word] : [path, word];
}

/** The environment of a middleware: the function's variables, and those that modules need to be run. */
export function environmentOf(host: HookHost, { isModule }: MiddlewareSettings): Record<string, string> {
  return isModule ? { ...host.env, BUN_BE_BUN: "1" } : { ...host.env };
}

/** What a `plain` middleware finds of the request in its environment. */
export function contextVariables(context: HookContext): Record<string, string> {
  const named = Object.entries(context).map(([name, value]) => [`ISOPOD_${name.toUpperCase()}`, String(value)]);
  return Object.fromEntries(named);
}
