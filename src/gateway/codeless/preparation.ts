/**
 * What is done for a program before it runs, fetching and bundling, under the limit and the signal of its run.
 *
 * Preparing and running have the wall limit each, so that what a program is told of its limit is the plan's number.
 */
import { systemClock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import { LIMIT_RULES, type Limits } from "../../core/limits.ts";

/**
 * Does `work`, whose signal fires when the caller hangs up or the wall limit is reached, which is then its reason.
 * @throws {IsopodError} `wall_limit`, `client_gone`, or what `work` fails with
 */
export async function prepareWithin<T>(
  limits: Limits,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  let late = false;
  const end = () => ending.abort(new IsopodError("client_gone"));
  const cancel = systemClock.after(limits.wallMs, () => {
    late = true;
    ending.abort(tooLate(limits));
  });
  signal.addEventListener("abort", end);
  try {
    if (signal.aborted) throw new IsopodError("client_gone");
    return await work(ending.signal);
  } catch (error) {
    // Work that knows better what took so long says so.
    const isNamed = error instanceof IsopodError && error.code === "wall_limit";
    throw late && !isNamed ? tooLate(limits) : error;
  } finally {
    cancel();
    signal.removeEventListener("abort", end);
  }
}

function tooLate({ wallMs }: Limits): IsopodError {
  const message = `The program was not ready to run at its limit ${LIMIT_RULES.wallMs.key} = ${wallMs}: fetching or bundling it took too long.`;
  return new IsopodError("wall_limit", { message, limit: { name: "wallMs", value: wallMs } });
}
