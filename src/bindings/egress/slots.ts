/** Calls under way, counted in all and by owner: one program must not take every connection of the server. */
import { failed } from "./request.ts";

/** Counts calls and refuses those over the limits. */
export class Slots {
  readonly #callsMax: number;
  readonly #callsPerOwnerMax: number;
  readonly #byOwner = new Map<string, number>();
  #calls = 0;

  constructor(callsMax: number, callsPerOwnerMax: number) {
    this.#callsMax = callsMax;
    this.#callsPerOwnerMax = callsPerOwnerMax;
  }

  /** Calls under way. */
  get size(): number {
    return this.#calls;
  }

  /**
   * Takes a place for `owner`; the returned function, called once, gives it back.
   * @throws {IsopodError} `egress_failed` when there is none
   */
  take(owner: string): () => void {
    const own = this.#byOwner.get(owner) ?? 0;
    if (own >= this.#callsPerOwnerMax) {
      throw failed(`Cannot fetch: ${own} outgoing requests of the function are under way, the most at a time`);
    }
    if (this.#calls >= this.#callsMax) {
      throw failed("Cannot fetch: the server has no outgoing connection to spare");
    }
    this.#calls++;
    this.#byOwner.set(owner, own + 1);
    return () => this.#giveBack(owner);
  }

  #giveBack(owner: string): void {
    this.#calls--;
    const left = (this.#byOwner.get(owner) ?? 1) - 1;
    if (left === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, left);
  }
}
