/** What an invocation uses, counted while it runs, and the limits that the counts are held against. */
import { type ErrorCode, IsopodError } from "../core/errors.ts";
import type { InvocationFigures } from "../core/invocation.ts";
import { LIMIT_RULES, type Limits } from "../core/limits.ts";

/** The running counts of one invocation. */
export class Meter {
  readonly limits: Limits;
  readonly startedAt: number;
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
