/**
 * Whose a call is: the invocation's that made it. Where the guest cannot tell, it is of one of those that ran then, of the one
 * that has made the fewest, and passes to another when that one is over: it ends with the last of them.
 */
import type { IsopodError } from "../core/errors.ts";

/** What hears that its invocation is over. */
export interface OwnedCall {
  invocationEnded(error: IsopodError | undefined): void;
}

/** What is known here of an invocation. */
export interface CallingInvocation {
  readonly over: boolean;
  readonly meter: { readonly subrequests: number };
  readonly calls: Set<OwnedCall>;
}

/** The owner of one call. */
export class CallOwner<Owner extends CallingInvocation> implements OwnedCall {
  #current: Owner;
  #candidates: readonly Owner[];
  readonly #ended: (error: IsopodError | undefined) => void;

  /**
   * @param candidates at least one, each running
   * @param ended is called when the last of them is over
   */
  constructor(candidates: readonly Owner[], ended: (error: IsopodError | undefined) => void) {
    this.#candidates = candidates;
    this.#ended = ended;
    this.#current = fewestCalls(candidates);
    this.#current.calls.add(this);
  }

  /** The invocation that it is charged to now. */
  get current(): Owner {
    return this.#current;
  }

  /** Those that it may be of. */
  get candidates(): readonly Owner[] {
    return this.#candidates;
  }

  /** The call is over. */
  release(): void {
    this.#current.calls.delete(this);
  }

  invocationEnded(error: IsopodError | undefined): void {
    this.#candidates = this.#candidates.filter(({ over }) => !over);
    if (this.#candidates.length === 0) return this.#ended(error);
    this.#current = fewestCalls(this.#candidates);
    this.#current.calls.add(this);
  }
}

function fewestCalls<Owner extends CallingInvocation>(candidates: readonly Owner[]): Owner {
  return candidates.reduce((least, each) => (callsOf(each) < callsOf(least) ? each : least));
}

function callsOf({ meter, calls }: CallingInvocation): number {
  return meter.subrequests + calls.size;
}
