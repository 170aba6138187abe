/**
 * Makes components ready to run: jco transpiles each once, as a program in a sealed instance of its own, and what comes
 * of it is kept on the disk. The server looks at the first eight bytes of a component, and at nothing of what is made.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { DEFAULT_PROJECT, type Program } from "../core/function.ts";
import { type Invoker, NO_PARAMS } from "../core/invocation.ts";
import { completeLimits, type Limits } from "../core/limits.ts";
import { isComponent, type WasmPreparer, type WasmProgram } from "../core/wasm_program.ts";
import { hashOf } from "../stdx/hash.ts";
import { Lanes } from "../stdx/lanes.ts";
import { encodeParcel } from "../wire/parcels.ts";

/** What components are made ready with. */
export interface ComponentsOptions {
  readonly invoker: Invoker;
  /** Where what was made is kept. */
  readonly directory: string;
  /** The source of the program that transpiles; asked for once, with the first component. */
  transpiler(): string;
  /** The source of what runs components in a guest; asked for once. */
  runtime(): string;
}

const MB = 1024 * 1024;

/** The largest component, and what is made of one with what runs it: a load is one frame to a guest. */
const COMPONENT_BYTES_MAX = 20 * MB;
const MADE_BYTES_MAX = 22 * MB;
/** What transpiling one may take. */
const LIMITS: Limits = completeLimits({
  ...{ wallMs: 120_000, cpuMs: 60_000, memoryBytes: 512 * MB },
  ...{ bodyBytesMax: COMPONENT_BYTES_MAX, responseBytesMax: MADE_BYTES_MAX },
});
/** What is kept on the disk, in bytes; what was used longest ago goes first. */
const KEPT_BYTES_MAX = 512 * MB;
/** Refusals that are remembered, so that nobody has the same component refused by work. */
const REFUSED_MAX = 1000;
/** What the program that transpiles says of a component. */
const REFUSAL = "uncaught_exception";
/** Components at a time, and those that wait. */
const TOGETHER_MAX = 2;
const WAITING_MAX = 64;

/** Prepares components, and leaves modules as they are. */
export class Components implements WasmPreparer {
  readonly #options: ComponentsOptions;
  readonly #lanes = new Lanes(TOGETHER_MAX);
  readonly #ending = new AbortController();
  readonly #making = new Map<string, Promise<Uint8Array>>();
  readonly #refused = new Map<string, IsopodError>();
  #transpiler: Program | undefined;
  #runtime: string | undefined;

  constructor(options: ComponentsOptions) {
    this.#options = options;
  }

  /** As the port has it. What is begun goes on when its caller hangs up: others may wait for the same. */
  async prepare(program: WasmProgram, signal?: AbortSignal): Promise<WasmProgram> {
    if (program.isTranspiled || !isComponent(program.bytes)) return program;
    const { hash, bytes, name } = program;
    if (bytes.length > COMPONENT_BYTES_MAX) {
      throw new IsopodError("code_too_large", { message: `Cannot load component: it is larger than 20 MiB (${name})` });
    }
    const refused = this.#refused.get(hash);
    if (refused !== undefined) throw named(refused, name);
    let making = this.#making.get(hash);
    if (making === undefined) {
      if (this.#making.size >= TOGETHER_MAX + WAITING_MAX) {
        throw new IsopodError("overloaded", { retryAfterSeconds: 1, cause: "components" });
      }
      making = this.#find(program).finally(() => this.#making.delete(hash));
      this.#making.set(hash, making);
    }
    const made = await within(making, signal).catch((error) => {
      throw named(error, name);
    });
    this.#runtime ??= this.#options.runtime();
    return { ...program, bytes: encodeParcel(this.#runtime, made), isTranspiled: true };
  }

  /** Ends what is being made. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.allSettled(this.#making.values());
  }

  async #find(program: WasmProgram): Promise<Uint8Array> {
    this.#transpiler ??= programOf(this.#options.transpiler());
    const { directory } = this.#options;
    const path = join(directory, `${program.hash.slice(7)}-${this.#transpiler.hash.slice(7, 23)}`);
    const kept = Bun.file(path);
    if (await kept.exists()) {
      const now = new Date();
      utimesSync(path, now, now);
      return kept.bytes();
    }
    const transpiler = this.#transpiler;
    const made = await this.#lanes.run(() => this.#make(program, transpiler));
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const beside = `${path}.${crypto.randomUUID()}`;
    writeFileSync(beside, made);
    renameSync(beside, path);
    removeOldest(directory);
    return made;
  }

  async #make({ bytes, hash }: WasmProgram, transpiler: Program): Promise<Uint8Array> {
    if (this.#ending.signal.aborted) throw new IsopodError("draining");
    const target = {
      ...({ kind: "program", project: DEFAULT_PROJECT, plan: "components", program: transpiler } as const),
      ...{ env: {}, egress: { allow: [], secrets: [] }, bindings: new Map(), limits: LIMITS },
    };
    try {
      const response = await this.#options.invoker.invoke(target, {
        ...{ requestId: hash, method: "POST", url: "http://component/" },
        ...{ headers: [], body: bytes, params: NO_PARAMS, signal: this.#ending.signal },
      });
      const made = await new Response(response.body as ReadableStream<Uint8Array> | null).bytes();
      const { error } = await response.ended;
      if (error !== undefined) throw error;
      return made;
    } catch (thrown) {
      throw this.#remembered(hash, toIsopodError(thrown));
    }
  }

  /** What the program is guilty of, it is guilty of tomorrow. */
  #remembered(hash: string, error: IsopodError): IsopodError {
    if (error.code !== REFUSAL) return error;
    this.#refused.set(hash, error);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > REFUSED_MAX && oldest !== undefined) this.#refused.delete(oldest);
    return error;
  }
}

/** A refusal in the terms of one who has supplied the component under a name of their own. */
function named(error: unknown, name: string): unknown {
  if (!(error instanceof IsopodError) || error.code !== REFUSAL) return error;
  return new IsopodError(REFUSAL, { message: `${error.message} (${name})` });
}

function programOf(code: string): Program {
  return { name: "transpiler.js", language: "javascript", code, hash: hashOf(code) };
}

/** What `made` gives, unless `signal` fires before. @throws {IsopodError} `client_gone` */
async function within<T>(made: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return made;
  return new Promise((resolve, reject) => {
    const leave = () => reject(new IsopodError("client_gone"));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    made.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

function removeOldest(directory: string): void {
  const files = readdirSync(directory).flatMap((name) => {
    const stats = statSync(join(directory, name), { throwIfNoEntry: false });
    return stats === undefined ? [] : [{ path: join(directory, name), size: stats.size, usedAt: stats.mtimeMs }];
  });
  let bytes = 0;
  for (const { path, size } of files.sort((one, other) => other.usedAt - one.usedAt)) {
    bytes += size;
    if (bytes > KEPT_BYTES_MAX) rmSync(path, { force: true });
  }
}
