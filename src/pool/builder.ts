/**
 * Makes programs self-contained, in a sandboxed process of their own for each build.
 *
 * A program without imports is its own bundle and costs nothing here. Finished bundles are the callers' to keep.
 */

import type { BindingGrant } from "../core/binding_kinds.ts";
import type { Clock } from "../core/clock.ts";
import type { Engine } from "../core/engine.ts";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { DEFAULT_PROJECT, type ModuleLoader, type Program, type ProgramSource } from "../core/function.ts";
import { type InvocationResponse, type LogLine, NO_PARAMS } from "../core/invocation.ts";
import { completeLimits, type Limits } from "../core/limits.ts";
import { BoundedQueue } from "../stdx/bounded_queue.ts";
import { Meter } from "./figures.ts";
import { Instance } from "./instance.ts";
import { RunningInvocation } from "./invocation.ts";
import { createModuleBinding } from "./module_calls.ts";
import { Supervisor } from "./supervisor.ts";

/** What a builder is made of. */
export interface BuilderOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  report(line: LogLine, fields: Readonly<Record<string, unknown>>): void;
}

const MB = 1024 * 1024;

/** What one build may use. */
const BUILD_LIMITS: Limits = completeLimits({
  wallMs: 30_000,
  cpuMs: 20_000,
  memoryBytes: 512 * MB,
  responseBytesMax: 64 * MB,
});

/** Builds at a time; a build uses every core. */
const BUILDS_MAX = 2;

/** Builds that wait for their turn; more are refused. */
const WAITING_MAX = 256;

/** What a text that imports something looks like. */
const IMPORTS = /\bimport\b|\brequire\s*\(|\bfrom\s*["'`]/;

/** Whether `code` seems to import something. An import that is hidden from this fails when the program runs. */
function mayImport(code: string): boolean {
  return IMPORTS.test(code);
}

/** The builder. */
export class Builder {
  readonly #options: BuilderOptions;
  readonly #supervisor: Supervisor;
  readonly #waiting = new BoundedQueue<() => void>(WAITING_MAX);
  readonly #instances = new Set<Instance>();
  #building = 0;
  #closed = false;

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#supervisor = new Supervisor(options.clock);
  }

  /**
   * Joins `source` with what it imports.
   * @param always also when it seems to import nothing: its mistakes are found now, and not when it first runs
   * @throws {IsopodError} `syntax_error`, `unresolved_import`, what the loader fails with, or a limit
   */
  async build(source: ProgramSource, loader: ModuleLoader, signal: AbortSignal, always = false): Promise<Program> {
    const { name, language, code, hash, target } = source;
    if (!always && target === undefined && !mayImport(code)) return { name, language, code, hash };
    if (this.#building >= BUILDS_MAX) await this.#turn(signal);
    this.#building += 1;
    try {
      if (signal.aborted) throw new IsopodError("client_gone");
      const bundle = await this.#run(source, loader, signal);
      return { name, language: "javascript", code: bundle.code, hash, sourceMap: bundle.map || undefined };
    } finally {
      this.#building -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Waits until a build may begin. @throws {IsopodError} `overloaded`, `client_gone` */
  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: IsopodError) => {
        this.#waiting.delete(begin);
        signal.removeEventListener("abort", leave);
        if (error === undefined) resolve();
        else reject(error);
      };
      const begin = () => settle();
      const leave = () => settle(new IsopodError("client_gone"));
      if (signal.aborted) return leave();
      if (!this.#waiting.push(begin))
        return settle(new IsopodError("overloaded", { retryAfterSeconds: 1, cause: "builds" }));
      signal.addEventListener("abort", leave);
    });
  }

  /** Ends the builds that run. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#supervisor.close();
    const all = [...this.#instances];
    for (const instance of all) instance.end(new IsopodError("draining"));
    await Promise.all(all.map((instance) => instance.ended));
  }

  async #run(source: ProgramSource, loader: ModuleLoader, signal: AbortSignal): Promise<{ code: string; map: string }> {
    let failure: unknown;
    const binding = createModuleBinding(loader, (error) => {
      failure ??= error;
    });
    const instance = await this.#start(binding);
    try {
      const { url, name, language, code, hash, target } = source;
      const program = { name: url ?? name, language, code, hash, target };
      const grants = { egress: { allow: [], secrets: [] }, cacheSpace: "", bindings: MODULE_GRANT };
      instance.load({ mode: "build", program, env: {}, grants, project: DEFAULT_PROJECT }, BUILD_LIMITS.memoryBytes);
      const request = {
        requestId: hash,
        method: "POST",
        url: "http://build/",
        headers: [],
        body: null,
        params: NO_PARAMS,
        signal,
      };
      const invocation = new RunningInvocation(request, new Meter(BUILD_LIMITS, this.#options.clock.now()), instance);
      this.#supervisor.watch(instance, BUILD_LIMITS);
      this.#supervisor.begin();
      instance.invoke(invocation);
      const response = await invocation.answered.promise;
      return await readBundle(response);
    } catch (error) {
      throw failure === undefined ? toIsopodError(error) : toIsopodError(failure);
    } finally {
      instance.end(new IsopodError("draining"));
    }
  }

  async #start(binding: ReturnType<typeof createModuleBinding>): Promise<Instance> {
    const { engine, clock, report } = this.#options;
    if (this.#closed) throw new IsopodError("draining");
    const process = await engine.start("build");
    const bindings = { egress: undefined, cache: undefined, byType: new Map([[binding.type, binding]]) };
    const instance = new Instance({ process, clock, bindings, report });
    this.#instances.add(instance);
    instance.ended.then(() => this.#instances.delete(instance));
    await instance.prepare();
    return instance;
  }
}

const MODULE_GRANT = new Map<string, BindingGrant>([
  ["module", { type: "module", project: DEFAULT_PROJECT, resource: "", mode: "read", options: {} }],
]);

/** Reads what was built, as it comes: a bundle may be longer than what may be under way. */
async function readBundle({ body, ended }: InvocationResponse): Promise<{ code: string; map: string }> {
  const read = new Response(body as ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null).text();
  const [text, { error }] = await Promise.all([read.catch(() => ""), ended]);
  if (error !== undefined) throw error;
  const { code, map } = JSON.parse(text) as { code?: unknown; map?: unknown };
  if (typeof code !== "string" || typeof map !== "string")
    throw new IsopodError("protocol_error", { cause: "no bundle" });
  return { code, map };
}
