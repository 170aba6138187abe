/** Answers that are there as a whole and that no invocation of their own gives: what was kept, and static files. */
import type { Body, HeaderList, InvocationEnd, InvocationResponse } from "../core/invocation.ts";

const NO_FIGURES = { wallMs: 0, cpuMs: 0, memoryBytes: 0, responseBytes: 0, logBytes: 0, subrequests: 0, cold: false };

/** Such an answer, in the form of an invocation's. */
export function wholeAnswer(
  status: number,
  headers: HeaderList,
  body: Body,
  responseBytes: number,
): InvocationResponse {
  const over = endedWith(responseBytes);
  return { status, headers, body, script: false, over, ended: Promise.resolve(over) };
}

/** How such an answer ends. */
export function endedWith(responseBytes: number): InvocationEnd {
  return { figures: { ...NO_FIGURES, responseBytes } };
}
