/**
 * What the instance of a program that came with its request is given: the program and what it holds, once, and nothing
 * more afterwards.
 */
import { IsopodError } from "../core/errors.ts";
import type { Target } from "../core/invocation.ts";
import type { InstanceLoad } from "./handshake.ts";
import type { Instance, InstanceScheduler } from "./instance.ts";

/** A program's instance ends with its program, however that ends. */
export class ProgramScheduler implements InstanceScheduler {
  readonly #refill: () => void;

  constructor(refill: () => void) {
    this.#refill = refill;
  }

  finished(instance: Instance): void {
    instance.end(new IsopodError("draining"));
    this.#refill();
  }

  broke(instance: Instance): void {
    instance.end(new IsopodError("draining"));
  }
}

/** The program with what its caller's plan gives it. */
export function programLoad(target: Extract<Target, { kind: "program" }>): InstanceLoad {
  const { program, env, egress, bindings, project, plan } = target;
  const grants = { egress, cacheSpace: `${project}/run/${plan}`, bindings };
  const { memoryBytes } = target.limits;
  return { mode: "program", program, env, grants, project, memoryBytes };
}
