/** Requests that are being answered, so that identical ones can wait for them. */
import { IsopodError } from "../../core/errors.ts";

/** What became of one: its answer was kept, was not for keeping, or did not come whole. */
export type FlightOutcome = "kept" | "not kept" | "failed";

/** A request that is being answered. */
export interface Flight {
  /** @throws {IsopodError} `client_gone` when `signal` fires */
  outcome(signal: AbortSignal): Promise<FlightOutcome>;
}

/** The end of a flight, for who began it. */
export interface FlightEnd {
  end(outcome: FlightOutcome): void;
}

/** The flights. */
export class Flights {
  readonly #byKey = new Map<string, Flight>();

  find(key: string): Flight | undefined {
    return this.#byKey.get(key);
  }

  /** Begins one; undefined while there is one of the same key. */
  begin(key: string): FlightEnd | undefined {
    if (this.#byKey.has(key)) return undefined;
    const waiting = new Set<(outcome: FlightOutcome) => void>();
    const flight: Flight = {
      outcome: (signal) =>
        new Promise((resolve, reject) => {
          const settle = (outcome: FlightOutcome) => {
            signal.removeEventListener("abort", gone);
            waiting.delete(settle);
            resolve(outcome);
          };
          const gone = () => {
            waiting.delete(settle);
            reject(new IsopodError("client_gone"));
          };
          signal.addEventListener("abort", gone);
          if (signal.aborted) gone();
          else waiting.add(settle);
        }),
    };
    this.#byKey.set(key, flight);
    return {
      end: (outcome) => {
        if (this.#byKey.get(key) === flight) this.#byKey.delete(key);
        for (const settle of [...waiting]) settle(outcome);
      },
    };
  }
}
