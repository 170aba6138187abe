/** An instance of the pool over a fake guest, with invocations whose callers a test plays too. */
import type { Binding, BindingCall } from "../core/binding.ts";
import { NO_BINDINGS } from "../core/binding_kinds.ts";
import { systemClock } from "../core/clock.ts";
import { type IsopodError, toIsopodError } from "../core/errors.ts";
import type { EgressGrant } from "../core/function.ts";
import type { InvocationRequest, InvocationResponse, LogLine } from "../core/invocation.ts";
import { NO_PARAMS } from "../core/invocation.ts";
import { completeLimits, type Limits } from "../core/limits.ts";
import { Meter } from "../pool/figures.ts";
import { Instance } from "../pool/instance.ts";
import { RunningInvocation } from "../pool/invocation.ts";
import { FRAME } from "../wire/frame.ts";
import { FakeGuest } from "./fake_guest.ts";

/** Lets everything happen that frames have set off. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A binding that remembers its calls and answers none of them. */
export class SilentBinding implements Binding<EgressGrant> {
  readonly type = "egress";
  readonly calls: { readonly call: BindingCall; readonly requestId: string; readonly signal: AbortSignal }[] = [];

  call(call: BindingCall, _grant: unknown, { requestId, signal }: { requestId: string; signal: AbortSignal }) {
    this.calls.push({ call, requestId, signal });
    return new Promise<never>((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }

  async close() {}
}

/** An invocation that a test has begun. */
export interface Started {
  readonly invocation: RunningInvocation;
  readonly lines: LogLine[];
  /** What the caller gets in the end: an answer, or an error. */
  readonly outcome: Promise<InvocationResponse | IsopodError>;
}

/** An instance over a fake guest. */
export class InstanceRig {
  readonly guest = new FakeGuest();
  readonly binding = new SilentBinding();
  readonly reports: LogLine[] = [];
  readonly instance: Instance;
  #next = 0;

  constructor() {
    this.instance = new Instance({
      process: this.guest,
      clock: systemClock,
      bindings: { egress: this.binding, cache: undefined, byType: new Map() },
      report: (line) => this.reports.push(line),
    });
    this.instance.scheduler = { finished() {}, broke: (instance, error) => instance.end(error) };
  }

  /** Up to a function that is loaded. */
  static async loaded(): Promise<InstanceRig> {
    const rig = new InstanceRig();
    const prepared = rig.instance.prepare();
    rig.guest.frame(FRAME.hello, 0, { sealed: true });
    await prepared;
    const loaded = rig.load();
    rig.guest.frame(FRAME.ready, 0, {});
    await loaded;
    return rig;
  }

  load(): Promise<void> {
    const program = { name: "f.ts", language: "typescript", code: "", hash: "sha256-" } as const;
    const grants = { egress: { allow: [], secrets: [] }, cacheSpace: "", bindings: NO_BINDINGS };
    const fn = { name: "f", version: "v" };
    return this.instance.load({ mode: "function", program, env: {}, grants, project: "default", fn }, 1024);
  }

  invoke(more: Partial<InvocationRequest> = {}, limits: Partial<Limits> = {}): Started {
    const lines: LogLine[] = [];
    this.#next += 1;
    const request: InvocationRequest = {
      requestId: `r${this.#next}`,
      method: "GET",
      url: "http://localhost/",
      headers: [],
      body: null,
      params: NO_PARAMS,
      signal: new AbortController().signal,
      observer: { log: (line) => lines.push(line) },
      ...more,
    };
    const invocation = new RunningInvocation(
      request,
      new Meter(completeLimits(limits), systemClock.now()),
      this.instance,
    );
    this.instance.invoke(invocation);
    return { invocation, lines, outcome: invocation.answered.promise.catch(toIsopodError) };
  }
}
