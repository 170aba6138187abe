/** What the Telemetry API calls events of the platform: starts, ends and durations, in AWS's shapes of 2022-12-13. */
import type { DialectHost } from "./dialect.ts";
import type { EventInvocation } from "./invocation.ts";
import type { Telemetry } from "./telemetry.ts";

const MB = 1024 * 1024;
const SUCCESS = { status: "success" } as const;

/** Tells of one instance. */
export class PlatformRecord {
  readonly #host: DialectHost;
  readonly #telemetry: Telemetry;
  #startedAt = 0;
  #doneAt = 0;
  /** How the runtime said that the invocation went. */
  #outcome: { readonly status: string; readonly errorType?: string } = SUCCESS;

  constructor(host: DialectHost, telemetry: Telemetry) {
    this.#host = host;
    this.#telemetry = telemetry;
  }

  /** The programs are about to be started. */
  initStart(): void {
    this.#startedAt = performance.now();
    const { load, env } = this.#host;
    const memorySize = Math.floor((load.memoryBytes ?? 0) / MB);
    this.#telemetry.publish("platform.initStart", {
      ...{ initializationType: "on-demand", phase: "init", functionName: load.fn?.name },
      ...{ functionVersion: env["AWS_LAMBDA_FUNCTION_VERSION"], instanceMaxMemory: memorySize * MB },
    });
  }

  /** The runtime asks for its first event. */
  initDone(): void {
    const said = { initializationType: "on-demand", phase: "init", status: "success" };
    this.#telemetry.publish("platform.initRuntimeDone", said);
    this.#telemetry.publish("platform.initReport", { ...said, metrics: { durationMs: this.#since(this.#startedAt) } });
  }

  /** An invocation begins. */
  start({ id }: EventInvocation): void {
    this.#startedAt = performance.now();
    const version = this.#host.env["AWS_LAMBDA_FUNCTION_VERSION"];
    this.#telemetry.publish("platform.start", { requestId: id, version });
  }

  /** The runtime has answered, or said what it failed of. */
  runtimeDone({ id }: EventInvocation, errorType: string | undefined): void {
    this.#outcome = errorType === undefined ? SUCCESS : { status: "error", errorType };
    this.#doneAt = performance.now();
    const metrics = { durationMs: this.#since(this.#startedAt) };
    this.#telemetry.publish("platform.runtimeDone", { requestId: id, ...this.#outcome, metrics });
  }

  /** The invocation is over; `pid` is its program's. */
  async report({ id }: EventInvocation, pid: number | undefined): Promise<void> {
    if (!this.#telemetry.isHeard) return;
    const durationMs = this.#since(this.#startedAt);
    const memorySizeMB = Math.floor((this.#host.load.memoryBytes ?? 0) / MB);
    const extraMs = this.#since(this.#doneAt);
    const start = new Date(performance.timeOrigin + this.#doneAt).toISOString();
    const outcome = this.#outcome;
    const status = await Bun.file(`/proc/${pid ?? "self"}/status`)
      .text()
      .catch(() => "");
    const maxMemoryUsedMB = Math.ceil(Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
    const spans = [{ name: "extensionOverhead", start, durationMs: extraMs }];
    const metrics = { durationMs, billedDurationMs: Math.ceil(durationMs), memorySizeMB, maxMemoryUsedMB };
    this.#telemetry.publish("platform.report", { requestId: id, ...outcome, metrics, spans });
  }

  #since(at: number): number {
    return Math.round((performance.now() - at) * 1000) / 1000;
  }
}
