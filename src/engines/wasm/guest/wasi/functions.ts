/** The functions of WASI preview 1 by their names. */
import { DataCalls } from "./data_calls.ts";
import { DescriptorCalls } from "./descriptor_calls.ts";
import { ERRNO, Refusal } from "./numbers.ts";
import { PathCalls } from "./path_calls.ts";
import { PollCalls } from "./poll.ts";
import { ProcessCalls } from "./process_calls.ts";
import type { WasiSystem } from "./system.ts";

type Call = (...values: never[]) => unknown;

/** The one function that may have to wait. */
export const WAITING = "poll_oneoff";

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
  if (name === WAITING) {
    return (...values) => (call.apply(group, values) as Promise<void>).then(() => ERRNO.success, errnoOf);
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
