/** Where an instance for a version comes from: the stock of those that wait for a program, or a start of its own. */
import { IsopodError } from "../core/errors.ts";
import type { FunctionVersion, VersionContents } from "../core/function.ts";
import type { Instance } from "./instance.ts";
import type { PoolOptions } from "./options.ts";
import type { Prewarmed } from "./prewarmed.ts";

/** An instance, and what must be called when its request is on its way. @throws {IsopodError} `start_failed`, `overloaded` */
export async function newInstance(
  { engine: name, limits }: FunctionVersion,
  { program }: VersionContents,
  { launching }: PoolOptions,
  prewarmed: Prewarmed,
): Promise<{ readonly instance: Instance; refill(): void }> {
  if (program.kind !== "process") {
    const instance = await prewarmed.take();
    return { instance, refill: prewarmed.refillSoon() };
  }
  const engine = launching?.get(name);
  if (engine === undefined) throw new IsopodError("start_failed", { cause: `there is no engine "${name}"` });
  const { memoryBytes } = limits;
  return { instance: await prewarmed.launch(engine, { program, memoryBytes }), refill: () => {} };
}
