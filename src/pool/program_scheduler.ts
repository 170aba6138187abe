/** Gives nothing more to the instance of a program that came with its request, and plans the refill of the stock. */
import { IsopodError } from "../core/errors.ts";
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
