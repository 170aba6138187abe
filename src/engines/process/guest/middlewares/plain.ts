/**
 * The plain contract: `NAME before` and `NAME after`, a process for each hook, JSON on its standard input, JSON on its
 * standard output, its standard error to the log.
 *
 * One that reads nothing may; what it has written when it ends counts. What it leaves running ends with it.
 */
import type { Hook, MiddlewareSettings } from "../../../../core/middleware.ts";
import { HOOK_TEXT_BYTES_MAX, type HookContext } from "../../../../wire/hooks.ts";
import type { Child } from "../child.ts";
import { HookError } from "./answers.ts";
import { commandOf, contextVariables, environmentOf, type HookHost, MIDDLEWARES_PATH } from "./commands.ts";

/** A hook that is to be run. */
export interface HookRequest {
  readonly hook: Hook;
  /** What it is given. */
  readonly json: string;
  readonly context: HookContext;
  readonly timeoutMs: number;
  /** Whether that is less than a hook may take: the request has no more time. */
  readonly isShort: boolean;
  /** The invocation's. */
  readonly stream: number;
  /** Fires when nobody waits for it any more. */
  readonly signal: AbortSignal;
}

/** What a process has written is waited for this long after its end, in milliseconds: what it has started may hold it. */
const OUTPUT_MS = 200;
/** So much of what is no JSON is shown. */
const SHOWN_LENGTH = 120;

/** Runs a hook, and reads what it wrote. @throws {HookError} */
export async function runPlain(host: HookHost, middleware: MiddlewareSettings, request: HookRequest): Promise<unknown> {
  const { hook, json, timeoutMs, signal } = request;
  const what = `${middleware.name} ${hook}`;
  const child = start(host, middleware, request);
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => {});
  const timer = setTimeout(() => ended.reject(timeout(what, request)), timeoutMs);
  const gone = () => ended.reject(new HookError("middleware_failed", `${what} was ended: nobody waits for it.`));
  signal.addEventListener("abort", gone);
  try {
    feed(child, json);
    const read = collect(child.output, what);
    // Rejects long before it is waited for, where a middleware floods.
    read.whole.catch(ended.reject);
    const code = await Promise.race([child.exited, ended.promise]);
    const text = await Promise.race([read.whole, ended.promise, pause(OUTPUT_MS).then(() => read.soFar())]);
    await Promise.race([child.ended, ended.promise]);
    if (code !== 0) throw new HookError("middleware_failed", `${what} ended with ${code}.`);
    return parseOutput(text, what);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", gone);
    child.signal("SIGKILL");
  }
}

/** The error of one that took too long. */
export function timeout(what: string, { timeoutMs, isShort }: HookRequest): HookError {
  const limit = isShort ? `the ${timeoutMs} ms that its request had left` : `its limit middleware_ms = ${timeoutMs}`;
  return new HookError("middleware_timeout", `${what} took longer than ${limit}.`);
}

/** The error of one that said too much. */
export function tooMuch(what: string): HookError {
  return new HookError("middleware_limit", `${what} wrote more than ${HOOK_TEXT_BYTES_MAX} bytes.`);
}

/** The error of one that cannot be started. */
export function startFailure(what: string, error: unknown): HookError {
  const why = error instanceof Error ? error.message : String(error);
  return new HookError("middleware_failed", `${what} cannot be started: ${why}.`);
}

function start(host: HookHost, middleware: MiddlewareSettings, { hook, context, stream }: HookRequest): Child {
  const env = { ...environmentOf(host, middleware), ...contextVariables(context) };
  try {
    return host.startApart(commandOf(middleware, hook), env, MIDDLEWARES_PATH, (line) => host.logLine(stream, line));
  } catch (error) {
    throw startFailure(`${middleware.name} ${hook}`, error);
  }
}

/** Its input, as far as it takes it. */
function feed(child: Child, json: string): void {
  const refused = () => {};
  try {
    child.input.write(json);
    Promise.resolve(child.input.end()).catch(refused);
  } catch {
    // It has ended, and says by its exit code whether that is right.
  }
}

/** What comes, until it is too much. */
function collect(output: ReadableStream<Uint8Array>, what: string) {
  const chunks: Uint8Array[] = [];
  const soFar = () => Buffer.concat(chunks).toString("utf8");
  const read = async () => {
    let bytes = 0;
    for await (const chunk of output) {
      bytes += chunk.length;
      if (bytes > HOOK_TEXT_BYTES_MAX) throw tooMuch(what);
      chunks.push(chunk);
    }
    return soFar();
  };
  return { whole: read(), soFar };
}

function parseOutput(text: string, what: string): unknown {
  const json = text.replace(/\r?\n$/, "");
  try {
    return JSON.parse(json);
  } catch {
    const shown = json === "" ? "nothing" : JSON.stringify(json.slice(0, SHOWN_LENGTH));
    throw new HookError("middleware_invalid", `${what} wrote ${shown}, which is not JSON.`);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
