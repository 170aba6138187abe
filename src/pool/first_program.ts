/** Where an instance for a version comes from: the stock of those that wait for a program, or a start of its own. */
import type { Engine } from "../core/engine.ts";
import { IsopodError } from "../core/errors.ts";
import type { EngineName, FunctionVersion, VersionContents } from "../core/function.ts";
import type { Target } from "../core/invocation.ts";
import type { Instance } from "./instance.ts";
import type { PoolOptions } from "./options.ts";
import type { Prewarmed } from "./prewarmed.ts";

/** An instance, and what must be called when its request is on its way. @throws {IsopodError} `start_failed`, `overloaded` */
export async function newInstance(
  { engine: name, limits, project, key }: FunctionVersion,
  { program }: VersionContents,
  { launching }: PoolOptions,
  prewarmed: Prewarmed,
): Promise<{ readonly instance: Instance; refill(): void }> {
  if (program.kind !== "process" && program.kind !== "browser") {
    const instance = await prewarmed.take();
    return { instance, refill: prewarmed.refillSoon() };
  }
  const { memoryBytes } = limits;
  const launch = { program, memoryBytes, project, key };
  return { instance: await prewarmed.launch(engineOf(launching, name), launch), refill: () => {} };
}

/** An instance for a program that came with its request. @throws {IsopodError} `start_failed`, `overloaded` */
export async function newProgramInstance(
  { program, project, limits }: Extract<Target, { kind: "program" }>,
  { launching }: PoolOptions,
  prewarmed: Prewarmed,
): Promise<{ readonly instance: Instance; refill(): void }> {
  if (program.kind !== "browser") {
    const instance = await prewarmed.take();
    return { instance, refill: prewarmed.refillSoon() };
  }
  const { memoryBytes } = limits;
  const launch = { program, memoryBytes, project, key: `run ${nextProgram++}` };
  return { instance: await prewarmed.launch(engineOf(launching, "browser"), launch), refill: () => {} };
}

let nextProgram = 1;

function engineOf(launching: PoolOptions["launching"], name: EngineName): Engine {
  const engine = launching?.get(name);
  if (engine === undefined) throw new IsopodError("start_failed", { cause: `there is no engine "${name}"` });
  return engine;
}
