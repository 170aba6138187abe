/** The functions of WASI preview 1 by their names. */
import { DataCalls } from "./data_calls.ts";
import { DescriptorCalls } from "./descriptor_calls.ts";
import { NotFetched } from "./files/bucket.ts";
import { ERRNO, Refusal, refuse } from "./numbers.ts";
import { PathCalls } from "./path_calls.ts";
import { PollCalls } from "./poll.ts";
import { ProcessCalls } from "./process_calls.ts";
import type { WasiSystem } from "./system.ts";

type Call = (...values: never[]) => unknown;

/** Whether a function may have to wait: to sleep, or for an object of a bucket. */
export function mayWait(name: string, { input }: WasiSystem): boolean {
  return name === "poll_oneoff" || (name === "path_open" && input.hasBuckets);
}

/** Whether there is a function of this name. */
export function isWasiFunction(name: string): boolean {
  return groupOf(name) !== undefined;
}

/** The functions `names` of one invocation. A refused call gives its error's number. */
export function wasiFunctions(system: WasiSystem, names: readonly string[]): Map<string, Call> {
  const groups = new Map<unknown, object>();
  return new Map(names.map((name) => [name, wasiFunction(system, name, groups)]));
}

function wasiFunction(system: WasiSystem, name: string, groups: Map<unknown, object>): Call {
  const Group = groupOf(name) ?? ProcessCalls;
  const group = groups.get(Group) ?? new Group(system);
  groups.set(Group, group);
  const call = (Group.prototype as unknown as Record<string, Call>)[name] as Call;
  if (mayWait(name, system)) {
    return (...values) => whenFetched(async () => call.apply(group, values)).then(() => ERRNO.success, errnoOf);
  }
  return (...values) => {
    try {
      call.apply(group, values);
      return ERRNO.success;
    } catch (thrown) {
      return errnoOf(thrown);
    }
  };
}

/** `call`, once more for each file that it lacks. */
async function whenFetched(call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await call();
  } catch (thrown) {
    if (!(thrown instanceof NotFetched)) throw thrown;
    await thrown.file.fetch().catch(failFetch);
    return whenFetched(call);
  }
}

function failFetch(error: unknown): void {
  if (error instanceof Refusal) throw error;
  console.warn("%s", `path_open: ${error instanceof Error ? error.message : error}`);
  refuse("io");
}

function groupOf(name: string) {
  if (name === "constructor") return undefined;
  return [ProcessCalls, DataCalls, DescriptorCalls, PathCalls, PollCalls].find((each) =>
    Object.hasOwn(each.prototype, name),
  );
}

function errnoOf(thrown: unknown): number {
  if (thrown instanceof Refusal) return thrown.errno;
  throw thrown;
}
