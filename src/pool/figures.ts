/**
 * What an invocation uses, counted while it runs, and the limits that the counts are held against.
 *
 * An invocation whose WebSocket was accepted is not bounded by the wall limit, but by the listener's idle time-out;
 * the limit on its processor time counts anew from each message of the client.
 */
import { type ErrorCode, IsopodError } from "../core/errors.ts";
import type { InvocationFigures } from "../core/invocation.ts";
import { LIMIT_RULES, type Limits } from "../core/limits.ts";

/** The running counts of one invocation. */
export class Meter {
  readonly limits: Limits;
  readonly startedAt: number;
  /** From when on the wall limit counts; never while a WebSocket is open. */
  wallFrom: number;
  /** Processor time at which the limit on it began to count. */
  cpuFromMs = 0;
  /** An open WebSocket on which nothing has happened since the supervisor's last look. */
  quiet = false;
  cold = false;
  /** Share of the instance's processor time, in milliseconds. */
  cpuMs = 0;
  memoryBytes = 0;
  responseBytes = 0;
  logBytes = 0;
  subrequests = 0;
  subrequestBytes = 0;

  constructor(limits: Limits, startedAt: number) {
    this.limits = limits;
    this.startedAt = startedAt;
    this.wallFrom = startedAt;
  }

  /** A WebSocket was accepted: it may last, and each message of its client gives processor time anew. */
  openSocket(): void {
    this.wallFrom = Number.POSITIVE_INFINITY;
    this.cpuFromMs = this.cpuMs;
  }

  /** The client sent a message. */
  renewCpu(): void {
    this.cpuFromMs = this.cpuMs;
    this.quiet = false;
  }

  /** The supervisor has looked: from here on an open WebSocket is quiet until something happens on it. */
  settle(): void {
    this.quiet = this.wallFrom === Number.POSITIVE_INFINITY;
  }

  /** The WebSocket is closed: what is left of the invocation must end in time. */
  closeSocket(now: number): void {
    this.wallFrom = Math.min(this.wallFrom, now);
  }

  /** The figures for the record. */
  figures(now: number): InvocationFigures {
    const { cpuMs, memoryBytes, responseBytes, logBytes, subrequests, cold } = this;
    return { wallMs: now - this.startedAt, cpuMs, memoryBytes, responseBytes, logBytes, subrequests, cold };
  }
}

/** The error that names a limit which struck, its value, and what to do. */
export function limitError(code: ErrorCode, name: keyof Limits, limits: Limits): IsopodError {
  const { key, scale, meaning } = LIMIT_RULES[name];
  const value = limits[name];
  const message = `The program was ended at its limit ${key} = ${value / scale}. ${meaning}`;
  return new IsopodError(code, { message, limit: { name, value } });
}
