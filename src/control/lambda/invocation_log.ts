/** The end of the log of one invocation, as `X-Amz-Log-Result` has it: 4 KB at the most, in Base64. */
import type { InvocationEnd, LogLine } from "../../core/invocation.ts";

const TAIL_BYTES_MAX = 4096;
const MB = 1024 * 1024;

/** What an invocation writes. */
export class InvocationLog {
  readonly #requestId: string;
  readonly #lines: string[] = [];
  #length = 0;

  constructor(requestId: string) {
    this.#requestId = requestId;
  }

  add({ text }: LogLine): void {
    const line = text.slice(-TAIL_BYTES_MAX);
    this.#lines.push(line);
    this.#length += line.length;
    while (this.#length - (this.#lines[0]?.length ?? 0) > TAIL_BYTES_MAX)
      this.#length -= this.#lines.shift()?.length ?? 0;
  }

  /** The tail, in the form that AWS's tools look for. */
  tail(version: string, end: InvocationEnd | undefined): string {
    const id = this.#requestId;
    const { wallMs = 0, memoryBytes = 0 } = end?.figures ?? {};
    const lines = [
      ...[`START RequestId: ${id} Version: ${version}`, ...this.#lines, `END RequestId: ${id}`],
      `REPORT RequestId: ${id}\tDuration: ${wallMs.toFixed(2)} ms\tBilled Duration: ${Math.ceil(wallMs)} ms\tMax Memory Used: ${Math.round(memoryBytes / MB)} MB`,
    ];
    const bytes = Buffer.from(`${lines.join("\n")}\n`);
    return bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES_MAX)).toString("base64");
  }
}
