/** What those are told who have supplied a component, and wait until it is ready to run. */
import { IsopodError } from "../core/errors.ts";

/** What the program that transpiles says of a component. */
export const COMPONENT_REFUSAL = "uncaught_exception";

/** An error in the terms of one who has supplied the component under a name of their own. */
export function named(error: unknown, name: string): unknown {
  if (!(error instanceof IsopodError)) return error;
  const { code, details } = error;
  if (code === COMPONENT_REFUSAL) return new IsopodError(code, { message: `${error.message} (${name})` });
  if (code !== "cpu_limit") return error;
  const message = `Cannot load component: transpiling it takes more processor time than ${details.limit?.value} ms (${name})`;
  return new IsopodError(code, { ...details, message });
}

/** What `made` gives, unless `signal` fires before. @throws {IsopodError} why it fired */
export async function within<T>(made: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return made;
  return new Promise((resolve, reject) => {
    const leave = () => reject(leaving(signal.reason, "transpiling it takes longer"));
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    made.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}

/** What one is told whose time is over, or who has left. */
export function leaving(reason: unknown, doing: string): IsopodError {
  if (!(reason instanceof IsopodError)) return new IsopodError("client_gone");
  const { limit } = reason.details;
  if (limit === undefined) return reason;
  const message = `The component was not ready to run at the limit ${limit.name} = ${limit.value}: ${doing}.`;
  return new IsopodError(reason.code, { limit, message });
}
