/** Runs one program in a guest's process, without a server around it. */
import { NO_BINDINGS } from "../core/binding_kinds.ts";
import { systemClock } from "../core/clock.ts";
import type { GuestProcess } from "../core/engine.ts";
import { NO_PARAMS } from "../core/invocation.ts";
import { DEFAULT_LIMITS } from "../core/limits.ts";
import { Meter } from "../pool/figures.ts";
import { Instance } from "../pool/instance.ts";
import { RunningInvocation } from "../pool/invocation.ts";

/** A server without bindings. */
export const NO_BINDING_SET = { egress: undefined, cache: undefined, byType: new Map() };

const MEMORY_BYTES = 512 * 1024 * 1024;

/** An instance whose guest has said hello. */
export async function prepared(guest: GuestProcess): Promise<Instance> {
  const instance = new Instance({ process: guest, clock: systemClock, bindings: NO_BINDING_SET, report() {} });
  await instance.prepare();
  return instance;
}

/** Runs a program in a forked process, and gives what it answers as text. */
export async function runIn(guest: GuestProcess, code: string): Promise<string> {
  const instance = await prepared(guest);
  const program = { name: "probe.ts", language: "typescript", code, hash: "sha256-" } as const;
  const grants = { egress: { allow: [], secrets: [] }, cacheSpace: "", bindings: NO_BINDINGS };
  instance.load({ mode: "program", program, env: {}, grants, project: "default" }, MEMORY_BYTES);
  const request = { requestId: "r", method: "POST", url: "http://localhost/", headers: [], body: null };
  const given = { ...request, params: NO_PARAMS, signal: new AbortController().signal };
  const invocation = new RunningInvocation(given, new Meter(DEFAULT_LIMITS, systemClock.now()), instance);
  instance.invoke(invocation);
  const { body } = await invocation.answered.promise;
  const text = await new Response(body as ReadableStream<Uint8Array> | null).text();
  await guest.exited;
  return text;
}
