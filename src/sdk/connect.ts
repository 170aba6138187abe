/**
 * Runs functions of the caller on a server: their source is sent, their result comes back typed.
 *
 * For Node, Deno, Bun and browsers: nothing but Web APIs.
 */
import { readAnswer } from "./run_answer.ts";
import { runError, type TranslateStack } from "./run_error.ts";
import { type ProgramFields, type RunOptions, runRequest } from "./run_options.ts";
import { programOf, sourceOf } from "./sent_function.ts";
import { parsePlace, translateFrom, translateTo } from "./source_place.ts";

/** How a server is reached. */
export interface ConnectOptions {
  /** The API key, for what callers without one may not do. */
  readonly key?: string;
}

/** What a function that runs on a server is given. */
export interface RunContext<A = unknown, E = Readonly<Record<string, string>>> {
  /** What the caller gave as arguments: whatever JSON carries. */
  readonly args: A;
  readonly env: E;
  /** The caller's request, with its `input` as the body. */
  readonly request: Request;
  readonly requestId: string;
  /** Milliseconds since the Unix epoch at which the run is ended. */
  readonly deadline: number;
  /** Keeps the run going, under its limits, until `promise` settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What a run gives: a `Response` and the values of an async iterable as they stream, anything else as JSON has it. */
export type RunResult<R> =
  Awaited<R> extends Response ? Response : Awaited<R> extends AsyncIterable<infer T> ? AsyncIterable<T> : Awaited<R>;

/** A function that a build has replaced by the hash of its program. */
export interface PinnedFunction {
  readonly pinned: string;
  /** Where it stands in the sources, as `file:line:column`. */
  readonly at?: string;
}

/** Calls a program that was pinned. */
export type PinnedCall<A, R> = (args?: A, options?: RunOptions) => Promise<R>;

const RESULT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A server that runs programs; nothing is asked of it before the first run.
 * @param url its address, with a path when its programs do not run at `/run`
 * @throws {TypeError} when `url` is no HTTP URL
 * @example
 * const server = connect("http://127.0.0.1:8080");
 * const sum = await server.run(({ args }) => args.a + args.b, { a: 1, b: 2 });
 */
export function connect(url: string | URL, options: ConnectOptions = {}): RemoteServer {
  return new RemoteServer(url, options);
}

/** A server, as its callers see it. */
export class RemoteServer {
  /** Where programs are sent to. */
  readonly url: string;
  readonly #key: string | undefined;

  constructor(url: string | URL, { key }: ConnectOptions) {
    const text = String(url);
    if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
      throw new TypeError(`Cannot connect to "${text}": expected a URL, such as http://127.0.0.1:8080`);
    const address = new URL(text);
    if (address.pathname === "/") address.pathname = "/run";
    this.url = address.href;
    this.#key = key;
  }

  /**
   * Runs a function on the server, under the limits of the caller's plan. Its source is sent: it sees its arguments,
   * its `env` and what it imports by `import()`, and no variable around it.
   * @throws {IsopodRunError} when it throws, breaks a limit or is refused
   * @throws {TypeError} when it cannot be sent
   * @throws the reason of `options.signal`
   */
  run<R>(fn: (context: RunContext<undefined>) => R): Promise<RunResult<R>>;
  run<A, R>(fn: (context: RunContext<A>) => R, args: A, options?: RunOptions): Promise<RunResult<R>>;
  run(fn: PinnedFunction, args?: unknown, options?: RunOptions): Promise<unknown>;
  run(fn: ((context: RunContext<never>) => unknown) | PinnedFunction, args?: unknown, options: RunOptions = {}) {
    const called = calledFrom(this.run);
    if (isPinned(fn)) {
      const place = parsePlace(fn.at ?? "");
      return this.#send({ hash: fn.pinned }, args, options, called, place === undefined ? asItIs : translateTo(place));
    }
    const source = sourceOf(fn);
    const program = { code: programOf(source), language: "javascript" } as const;
    return this.#send(program, args, options, called, translateFrom(source, called));
  }

  /**
   * A function that runs the program with this hash, when the server has it pinned. It gives what `run` would where
   * the program is a function's, else the program's `Response`.
   * @example const report = server.pinned<{ year: number }, Report>("sha256-…"); await report({ year: 2026 });
   */
  pinned<A = unknown, R = unknown>(hash: string): PinnedCall<A, R> {
    if (!/^sha256-[0-9a-f]{64}$/i.test(hash))
      throw new TypeError(`Cannot call "${hash}": expected sha256- and 64 hex digits`);
    const call: PinnedCall<A, R> = (args, options = {}) =>
      this.#send({ hash }, args, options, calledFrom(call), asItIs) as Promise<R>;
    return call;
  }

  /** Runs a whole program, as `/run` takes it: what a script prints, or what a module answers. @throws as `run` does */
  runCode(code: string, args?: unknown, options: RunOptions = {}): Promise<Response> {
    const program = { code, language: "typescript" } as const;
    return this.#send(program, args, options, calledFrom(this.runCode), asItIs) as Promise<Response>;
  }

  /** Runs the program at a URL that the server's configuration allows as a source. @throws as `run` does */
  runUrl(url: string | URL, args?: unknown, options: RunOptions = {}): Promise<Response> {
    return this.#send({ url: String(url) }, args, options, calledFrom(this.runUrl), asItIs) as Promise<Response>;
  }

  async #send(
    program: ProgramFields,
    args: unknown,
    options: RunOptions,
    called: Error,
    translate: TranslateStack,
  ): Promise<unknown> {
    const { signal, log, resultBytesMax = RESULT_BYTES_MAX } = options;
    const request = runRequest(program, args, options, this.#key);
    let response: Response;
    try {
      response = await fetch(this.url, request);
    } catch (cause) {
      signal?.throwIfAborted();
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `Cannot reach ${this.url}: ${why}`;
      throw Object.assign(runError({ code: "unreachable", message }, called, asItIs), { cause });
    }
    const fail = (failure: Parameters<typeof runError>[0]) => runError(failure, called, translate);
    return readAnswer(response, { log, fail, signal, resultBytesMax });
  }
}

const asItIs: TranslateStack = (stack) =>
  stack
    .split("\n")
    .filter((line) => /:\d+:\d+\)?$/.test(line))
    .join("\n");

function isPinned(value: unknown): value is PinnedFunction {
  return typeof value === "object" && value !== null && "pinned" in value && typeof value.pinned === "string";
}

/** Frames of this file above the caller's. */
const OWN_FRAMES = 2;

/** An error whose stack begins where `callee` was called. */
function calledFrom(callee: unknown): Error {
  const called = new Error("called here");
  const { captureStackTrace } = Error as { captureStackTrace?: (target: object, below: unknown) => void };
  if (captureStackTrace !== undefined) captureStackTrace(called, callee);
  else called.stack = (called.stack ?? "").split("\n").slice(OWN_FRAMES).join("\n");
  return called;
}
