/** Programs behind the response cache: of which of them anything is remembered. */
import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { systemClock } from "../../core/clock.ts";
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import { hashOf } from "../../stdx/hash.ts";
import { answerCachedProgram } from "./cached_program.ts";
import { ResponseCache } from "./response_cache.ts";

const cache = new ResponseCache({
  clock: systemClock,
  bytesMax: 1024 * 1024,
  overflow: { directory: tmpdir(), bytesMax: 0 },
});
const runs = new Map<string, number>();

/** Runs a program that answers with `headers`, or has its answer from the cache. */
function run(code: string, headers: HeaderList): Promise<InvocationResponse> {
  const figures = { wallMs: 0, cpuMs: 0, memoryBytes: 0, responseBytes: 0, logBytes: 0, subrequests: 0, cold: false };
  return answerCachedProgram(cache, {
    ...{ project: "p", plan: "anonymous", url: "http://localhost/run", given: {}, headers: new Headers() },
    program: { name: "program.js", language: "javascript", code, hash: hashOf(code) },
    input: new Blob(["input"]).stream(),
    sender: { signal: new AbortController().signal },
    within: (read) => read(new AbortController().signal),
    async invoke() {
      runs.set(code, (runs.get(code) ?? 0) + 1);
      const body = new TextEncoder().encode("answer");
      return { status: 200, headers, body, script: false, over: { figures }, ended: Promise.resolve({ figures }) };
    },
  });
}

test("thousands of programs that say nothing of keeping do not push out what is known of one that does", async () => {
  const kept = "keeps its answers";
  const headers: HeaderList = [["cache-control", "max-age=60"]];
  // The first tells that answers are for keeping, the second is kept.
  for (let at = 0; at < 3; at += 1) await run(kept, headers);
  expect(runs.get(kept)).toBe(2);
  for (let at = 0; at < 10_001; at += 1) await run(`runs once ${at}`, []);
  await run(kept, headers);
  expect(runs.get(kept)).toBe(2);
});
