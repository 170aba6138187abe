/** The end of the log of one invocation, as `X-Amz-Log-Result` has it: 4 KB at the most, in Base64. */
import type { FunctionVersion } from "../../core/function.ts";
import type { CallObserver } from "../../core/function_caller.ts";
import type { InvocationEnd, InvocationFigures, LogLine } from "../../core/invocation.ts";
import type { Limits } from "../../core/limits.ts";
import type { FunctionFailure } from "./function_failure.ts";

const TAIL_BYTES_MAX = 4096;
const MB = 1024 * 1024;

/** Reads along with an invocation: which version it is, what it writes, what it has cost. */
export class InvocationLog implements CallObserver {
  readonly #requestId: string;
  readonly #begunAt = performance.now();
  readonly #lines: string[] = [];
  #length = 0;
  #figures: InvocationFigures | undefined;
  /** The one that answers, once it is chosen. */
  version: FunctionVersion;

  constructor(requestId: string, version: FunctionVersion) {
    this.#requestId = requestId;
    this.version = version;
  }

  chosen(version: FunctionVersion): void {
    this.version = version;
  }

  log({ text }: LogLine): void {
    const line = text.slice(-TAIL_BYTES_MAX);
    this.#lines.push(line);
    this.#length += line.length;
    while (this.#length - (this.#lines[0]?.length ?? 0) > TAIL_BYTES_MAX)
      this.#length -= this.#lines.shift()?.length ?? 0;
  }

  ended({ figures }: InvocationEnd): void {
    this.#figures = figures;
  }

  /** The tail, in the form that AWS's tools look for; `limits` are those of the caller's plan. */
  tail(shown: string, failure: FunctionFailure | undefined, limits: Partial<Limits> | undefined): string {
    const id = this.#requestId;
    if (failure?.logLine !== undefined) this.log({ level: "error", text: failure.logLine });
    // What no instance was given, or a static file has answered, has no figures.
    const { wallMs = performance.now() - this.#begunAt, memoryBytes = 0 } = this.#figures ?? {};
    const size = Math.min(this.version.limits.memoryBytes, limits?.memoryBytes ?? Number.POSITIVE_INFINITY);
    const report = [
      `REPORT RequestId: ${id}`,
      `Duration: ${wallMs.toFixed(2)} ms`,
      `Billed Duration: ${Math.ceil(wallMs)} ms`,
      `Memory Size: ${Math.round(size / MB)} MB`,
      `Max Memory Used: ${Math.round(memoryBytes / MB)} MB`,
    ];
    const lines = [`START RequestId: ${id} Version: ${shown}`, ...this.#lines, `END RequestId: ${id}`];
    const bytes = Buffer.from(`${lines.join("\n")}\n${report.join("\t")}\n`);
    return bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES_MAX)).toString("base64");
  }
}
