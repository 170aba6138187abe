/**
 * Turns at work of which a few go on at a time, among callers who do not trust one another: no group of callers has more
 * than its share at once, and whoever waits has their turn before those who have had one since they came.
 */

/** Who wants a turn, and for what. */
export interface TurnAsker {
  /** Callers take turns. */
  readonly caller: string;
  /** Callers who share a part of the turns; undefined for one who may have all of them. */
  readonly group: string | undefined;
  /** What is to be done: who waits for the same can be told that another does it. */
  readonly work: string;
  /** Fires when the asker waits no more. */
  readonly signal?: AbortSignal | undefined;
  /** Begins the work, as the turn comes; `end` is to be called when it is over. */
  begin(end: () => void): void;
}

/** How many turns there are, and who may wait. */
export interface TurnsOptions {
  /** Turns at a time. */
  readonly together: number;
  /** Turns at a time of one group. */
  readonly togetherOfGroup: number;
  readonly waitingMax: number;
  readonly waitingOfGroupMax: number;
  readonly waitingOfCallerMax: number;
}

interface Waiter extends TurnAsker {
  /** Waits no more; with a reason when the work will not be done. */
  settle(reason?: unknown): void;
}

/** The turns. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting = new Set<Waiter>();
  /** Turns that are taken. */
  readonly #groups = new Map<string | undefined, number>();
  readonly #callers = new Map<string, number>();
  /** Of callers who wait or work: when their last turn began, counted in turns. */
  readonly #lastTurns = new Map<string, number>();
  #begun = 0;
  #busy = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Waits for a turn: until the work has begun, here or elsewhere. Undefined when too many wait.
   * @throws the signal's reason, or that of `close`
   */
  take(asker: TurnAsker): Promise<void> | undefined {
    const { signal, caller } = asker;
    const isFree = this.#busy < this.#options.together && this.#mayBegin(asker);
    if (!isFree && this.#isFull(asker)) return undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => waiter.settle(signal?.reason);
    const waiter: Waiter = {
      ...asker,
      settle: (reason) => {
        signal?.removeEventListener("abort", leave);
        this.#waiting.delete(waiter);
        this.#forget(caller);
        if (reason === undefined) resolve();
        else reject(reason);
      },
    };
    this.#waiting.add(waiter);
    signal?.addEventListener("abort", leave);
    if (signal?.aborted) leave();
    this.#begin();
    return promise;
  }

  /** Tells everybody who waits to do `work` that another does it. */
  isDoneElsewhere(work: string): void {
    for (const waiter of [...this.#waiting]) if (waiter.work === work) waiter.settle();
  }

  /** Lets nobody wait any more. */
  close(reason: Error): void {
    for (const waiter of [...this.#waiting]) waiter.settle(reason);
  }

  #isFull({ caller, group }: TurnAsker): boolean {
    const { waitingMax, waitingOfGroupMax, waitingOfCallerMax } = this.#options;
    const ofGroup = [...this.#waiting].filter((each) => group !== undefined && each.group === group);
    const ofCaller = ofGroup.filter((each) => each.caller === caller).length;
    return this.#waiting.size >= waitingMax || ofGroup.length >= waitingOfGroupMax || ofCaller >= waitingOfCallerMax;
  }

  #begin(): void {
    while (this.#busy < this.#options.together) {
      const next = this.#next();
      if (next === undefined) return;
      const { group, caller } = next;
      this.#busy += 1;
      this.#begun += 1;
      this.#lastTurns.set(caller, this.#begun);
      add(this.#groups, group, 1);
      add(this.#callers, caller, 1);
      next.begin(() => this.#end(next));
      next.settle();
    }
  }

  #end({ group, caller }: TurnAsker): void {
    this.#busy -= 1;
    add(this.#groups, group, -1);
    add(this.#callers, caller, -1);
    this.#forget(caller);
    this.#begin();
  }

  /** Who neither waits nor works is a newcomer again. */
  #forget(caller: string): void {
    const isKnown = this.#callers.has(caller) || [...this.#waiting].some((each) => each.caller === caller);
    if (!isKnown) this.#lastTurns.delete(caller);
  }

  /** Of those who may begin, the one whose last turn is longest ago; of these who came first. */
  #next(): Waiter | undefined {
    let next: Waiter | undefined;
    for (const each of this.#waiting) {
      if (this.#mayBegin(each) && (next === undefined || this.#lastTurn(each) < this.#lastTurn(next))) next = each;
    }
    return next;
  }

  #lastTurn({ caller }: TurnAsker): number {
    return this.#lastTurns.get(caller) ?? 0;
  }

  #mayBegin({ group }: TurnAsker): boolean {
    return group === undefined || (this.#groups.get(group) ?? 0) < this.#options.togetherOfGroup;
  }
}

function add<Key>(counts: Map<Key, number>, key: Key, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
