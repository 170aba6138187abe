/**
 * Makes components ready to run: jco transpiles each once, as a program in a sealed instance of its own, and what comes
 * of it is kept on the disk. The server looks at the first eight bytes of a component, and at nothing of what is made.
 */
import { IsopodError, toIsopodError } from "../core/errors.ts";
import { DEFAULT_PROJECT, type Program } from "../core/function.ts";
import { type Invoker, NO_PARAMS } from "../core/invocation.ts";
import { completeLimits, type Limits } from "../core/limits.ts";
import { isComponent, type WasmAsker, type WasmPreparer, type WasmProgram } from "../core/wasm_program.ts";
import { hashOf } from "../stdx/hash.ts";
import { Turns, type TurnsOptions } from "../stdx/turns.ts";
import { encodeParcel } from "../wire/parcels.ts";
import { COMPONENT_REFUSAL, leaving, named, within } from "./component_errors.ts";
import { KeptComponents } from "./kept_components.ts";

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
/** What transpiling one may take of processor time, in milliseconds: for who deploys, and for who sends it the least. */
const CPU_MS_MAX = 60_000;
const CPU_MS_MIN = 5_000;
/** What else it may take. */
const LIMITS: Limits = completeLimits({
  ...{ wallMs: 120_000, memoryBytes: 512 * MB },
  ...{ bodyBytesMax: COMPONENT_BYTES_MAX, responseBytesMax: MADE_BYTES_MAX },
});
/** Refusals that are remembered, so that nobody has the same component refused by work. */
const REFUSED_MAX = 1000;
/** Components at a time, and those that wait: of who deploys, and as many of who sends programs. */
const DEPLOYING: TurnsOptions = {
  ...{ together: 2, togetherOfGroup: 1 },
  ...{ waitingMax: 64, waitingOfGroupMax: 32, waitingOfCallerMax: 32 },
};
const SENDING: TurnsOptions = { ...DEPLOYING, waitingOfCallerMax: 8 };

/** A component that is being made, within a limit of processor time. */
interface Making {
  readonly cpuMs: number;
  readonly made: Promise<Uint8Array>;
}

/** Prepares components, and leaves modules as they are. */
export class Components implements WasmPreparer {
  readonly #options: ComponentsOptions;
  readonly #deploying = new Turns(DEPLOYING);
  readonly #sending = new Turns(SENDING);
  readonly #ending = new AbortController();
  readonly #making = new Map<string, Making>();
  readonly #refused = new Map<string, IsopodError>();
  #transpiler: Program | undefined;
  #kept: KeptComponents | undefined;
  #runtime: string | undefined;

  constructor(options: ComponentsOptions) {
    this.#options = options;
  }

  /** As the port has it. What is begun goes on when its caller hangs up: others may wait for the same. */
  async prepare(program: WasmProgram, signal?: AbortSignal, asker?: WasmAsker): Promise<WasmProgram> {
    if (program.isTranspiled || !isComponent(program.bytes)) return program;
    const { bytes, name } = program;
    if (bytes.length > COMPONENT_BYTES_MAX) {
      throw new IsopodError("code_too_large", { message: `Cannot load component: it is larger than 20 MiB (${name})` });
    }
    const made = await this.#find(program, signal, asker).catch((error) => {
      throw named(error, name);
    });
    this.#runtime ??= this.#options.runtime();
    return { ...program, bytes: encodeParcel(this.#runtime, made), isTranspiled: true };
  }

  /** Ends what is being made, and lets nobody wait for a turn. */
  async close(): Promise<void> {
    this.#ending.abort();
    for (const turns of [this.#deploying, this.#sending]) turns.close(new IsopodError("draining"));
    await Promise.allSettled([...this.#making.values()].map(({ made }) => made));
  }

  /** What was kept, what is being made, or what is made once there is a turn for it. */
  async #find(program: WasmProgram, signal?: AbortSignal, asker?: WasmAsker): Promise<Uint8Array> {
    const { hash } = program;
    const cpuMs = asker?.cpuMs === undefined ? CPU_MS_MAX : Math.max(CPU_MS_MIN, Math.min(asker.cpuMs, CPU_MS_MAX));
    for (;;) {
      const refused = this.#refused.get(hash);
      if (refused !== undefined) throw refused;
      const kept = await this.#files().find(hash);
      if (kept !== undefined) return kept;
      const making = this.#making.get(hash) ?? (await this.#turn(program, cpuMs, signal, asker));
      // Another has begun, and may have failed since.
      if (making === undefined) continue;
      try {
        return await within(making.made, signal);
      } catch (error) {
        // Another caller's limit says nothing about a higher one.
        const isOver = making.cpuMs < cpuMs && error instanceof IsopodError && error.code === "cpu_limit";
        if (!isOver) throw error;
      }
    }
  }

  /** Waits until the component is being made: what is made for the asker, undefined when it is for another. */
  async #turn(
    program: WasmProgram,
    cpuMs: number,
    signal?: AbortSignal,
    asker?: WasmAsker,
  ): Promise<Making | undefined> {
    if (this.#ending.signal.aborted) throw new IsopodError("draining");
    const turns = asker?.cpuMs === undefined ? this.#deploying : this.#sending;
    let making: Making | undefined;
    const turn = turns.take({
      ...{ caller: asker?.caller ?? "", group: asker?.group, work: program.hash, signal },
      begin: (end) => {
        making = this.#begin(program, cpuMs, end);
      },
    });
    if (turn === undefined) throw new IsopodError("overloaded", { retryAfterSeconds: 1, cause: "components" });
    await turn.catch((reason) => {
      throw leaving(reason, "it waited for others to be transpiled");
    });
    return making;
  }

  #begin(program: WasmProgram, cpuMs: number, end: () => void): Making {
    const { hash } = program;
    const made = this.#make(program, cpuMs).finally(() => {
      this.#making.delete(hash);
      end();
    });
    // Whoever waits for it is told; nobody may be left.
    made.catch(() => {});
    const making = { cpuMs, made };
    this.#making.set(hash, making);
    for (const turns of [this.#deploying, this.#sending]) turns.isDoneElsewhere(hash);
    return making;
  }

  async #make(program: WasmProgram, cpuMs: number): Promise<Uint8Array> {
    const made = await this.#transpile(program, this.#program(), cpuMs);
    this.#files().keep(program.hash, made);
    return made;
  }

  /** What other transpilers made is another file. */
  #files(): KeptComponents {
    this.#kept ??= new KeptComponents(this.#options.directory, this.#program().hash);
    return this.#kept;
  }

  #program(): Program {
    this.#transpiler ??= programOf(this.#options.transpiler());
    return this.#transpiler;
  }

  async #transpile({ bytes, hash }: WasmProgram, transpiler: Program, cpuMs: number): Promise<Uint8Array> {
    if (this.#ending.signal.aborted) throw new IsopodError("draining");
    const target = {
      ...({ kind: "program", project: DEFAULT_PROJECT, plan: "components", program: transpiler } as const),
      ...{ env: {}, egress: { allow: [], secrets: [] }, bindings: new Map(), limits: { ...LIMITS, cpuMs } },
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
    if (error.code !== COMPONENT_REFUSAL) return error;
    this.#refused.set(hash, error);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size > REFUSED_MAX && oldest !== undefined) this.#refused.delete(oldest);
    return error;
  }
}

function programOf(code: string): Program {
  return { name: "transpiler.js", language: "javascript", code, hash: hashOf(code) };
}
