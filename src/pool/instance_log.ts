/**
 * The lines that a guest logs: each goes to the invocation that it belongs to, under that one's limit.
 *
 * Lines that belong to none, of the top level or of timers, go to the log of the server: bounded for the whole life of
 * the instance, and said to be when the bound strikes.
 */
import type { LogLine } from "../core/invocation.ts";
import { WireError } from "../wire/frame.ts";
import { limitError } from "./figures.ts";
import type { RunningInvocation } from "./invocation.ts";

/** Log bytes of one instance outside of invocations. */
const OUTSIDE_LOG_BYTES_MAX = 1024 * 1024;

const LEVELS: Readonly<Record<number, LogLine["level"]>> = { 100: "debug", 105: "info", 119: "warn", 101: "error" };

/** The log of one instance. */
export class InstanceLog {
  readonly #report: (line: LogLine) => void;
  #outsideBytes = 0;

  /** @param report takes the lines that belong to no invocation */
  constructor(report: (line: LogLine) => void) {
    this.#report = report;
  }

  /** Takes the payload of a log frame, a line of `invocation`. @throws {WireError} when it is empty */
  receive(payload: Uint8Array, invocation: RunningInvocation | undefined): void {
    // Without its level it would cost nothing under the limit.
    if (payload.length === 0) throw new WireError("Cannot read log: it is empty");
    const line: LogLine = {
      level: LEVELS[payload[0] as number] ?? "info",
      text: new TextDecoder().decode(payload.subarray(1)),
    };
    this.#take(line, payload.length, invocation);
  }

  /** Takes text that did not come by a frame: what Web Workers and the platform itself print. */
  stray(text: string, invocation: RunningInvocation | undefined): void {
    for (const line of text.split("\n")) {
      if (line !== "") this.#take({ level: "info", text: line }, line.length, invocation);
    }
  }

  #take(line: LogLine, bytes: number, invocation: RunningInvocation | undefined): void {
    if (invocation === undefined) return this.#outside(line, bytes);
    if (invocation.over) return;
    invocation.meter.logBytes += bytes;
    const { limits, logBytes } = invocation.meter;
    if (logBytes > limits.logBytesMax) return invocation.breakBy(limitError("log_limit", "logBytesMax", limits));
    if (invocation.request.observer?.log !== undefined) invocation.request.observer.log(line);
  }

  #outside(line: LogLine, bytes: number): void {
    const before = this.#outsideBytes;
    this.#outsideBytes += bytes;
    if (this.#outsideBytes <= OUTSIDE_LOG_BYTES_MAX) return this.#report(line);
    if (before > OUTSIDE_LOG_BYTES_MAX) return;
    this.#report({ level: "warn", text: "Further lines outside of invocations are dropped" });
  }
}
