/** A pool over the fake engine and the fake clock, and short ways to give it work. */
import { NO_BINDINGS } from "../core/binding_kinds.ts";
import { IsopodError } from "../core/errors.ts";
import type { FunctionVersion } from "../core/function.ts";
import type { InvocationRequest, InvocationResponse, LogLine } from "../core/invocation.ts";
import { completeLimits, type Limits } from "../core/limits.ts";
import type { PoolSizes } from "../pool/options.ts";
import { Pool } from "../pool/pool.ts";
import { FakeClock, settle } from "./fake_clock.ts";
import { FakeEngine, type FakeGuest } from "./fake_engine.ts";
import { NO_BINDING_SET } from "./guest_program.ts";

const SIZES: PoolSizes = {
  prewarmed: 1,
  instancesMax: 8,
  queueMax: 4,
  idleMs: 60_000,
  ageMs: 3_600_000,
  invocationsMax: 1000,
};

/** A request under way. */
export interface Call {
  readonly response: Promise<InvocationResponse>;
  /** Hangs up. */
  readonly abort: AbortController;
  /** Lines that its program has written. */
  readonly lines: string[];
  /** `answered`, `pending`, or the code of the error that it failed with. */
  state(): string;
  /** The error it failed with. */
  error(): IsopodError | undefined;
}

/** The rig. */
export class PoolRig {
  readonly clock = new FakeClock();
  readonly engine = new FakeEngine();
  readonly pool: Pool;
  readonly reports: string[] = [];
  /** Why instances have ended, in their order. */
  readonly ends: string[] = [];

  constructor(sizes: Partial<PoolSizes> = {}) {
    const report = (line: LogLine) => void this.reports.push(line.text);
    const lives = { started() {}, ended: (reason: string) => void this.ends.push(reason) };
    this.pool = new Pool({
      engine: this.engine,
      clock: this.clock,
      bindings: NO_BINDING_SET,
      sizes: { ...SIZES, ...sizes },
      lives,
      report,
    });
  }

  /** A version of a function. */
  version(name: string, limits: Partial<Limits> = {}, instancesMax = 4): FunctionVersion {
    const program = { name: `${name}.js`, language: "javascript", code: "", hash: `sha256-${name}` } as const;
    const egress = { allow: [], secrets: [] };
    return {
      ...{ project: "default", name, version: name, key: name, engine: "script", instancesMax },
      limits: completeLimits(limits),
      contents: async () => ({ program, env: {}, egress, bindings: NO_BINDINGS }),
    };
  }

  /** Invokes a function; returns once the pool has done what it can without time. */
  async invoke(version: FunctionVersion): Promise<Call> {
    return this.#call((request) => this.pool.invoke({ kind: "function", version, limits: version.limits }, request));
  }

  /** Runs a program. */
  async run(limits: Partial<Limits> = {}): Promise<Call> {
    const program = { name: "program.js", language: "javascript", code: "", hash: "sha256-0" } as const;
    const egress = { allow: [], secrets: [] };
    const holds = { env: {}, egress, bindings: NO_BINDINGS, limits: completeLimits(limits) };
    const target = { kind: "program", project: "default", plan: "p", program, ...holds } as const;
    return this.#call((request) => this.pool.invoke(target, request));
  }

  /** The guests that hold function `name` and have not ended. */
  guestsOf(name: string): FakeGuest[] {
    return this.engine.running.filter((guest) => guest.load?.fn?.name === name);
  }

  async #call(invoke: (request: InvocationRequest) => Promise<InvocationResponse>): Promise<Call> {
    const abort = new AbortController();
    const lines: string[] = [];
    const observer = { log: ({ text }: LogLine) => void lines.push(text) };
    const request = {
      requestId: "1",
      method: "GET",
      url: "http://x/",
      headers: [],
      body: null,
      params: {},
      signal: abort.signal,
      observer,
    };
    const response = invoke(request);
    let state = "pending";
    let failure: IsopodError | undefined;
    response.then(
      () => {
        state = "answered";
      },
      (error: unknown) => {
        if (!(error instanceof IsopodError)) throw error;
        failure = error;
        state = error.code;
      },
    );
    await settle();
    return { response, abort, lines, state: () => state, error: () => failure };
  }
}
