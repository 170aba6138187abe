/** The functions of the host that modules of every ABI may import from `env`, by their names. */
import { suspending } from "../stack_switching.ts";
import { BlobCalls } from "./blob_calls.ts";
import { ConnectionCalls } from "./connection_calls.ts";
import type { HostInvocation } from "./host_invocation.ts";
import { HttpCalls } from "./http_calls.ts";
import { KvCalls } from "./kv_calls.ts";
import { QueueCalls } from "./queue_calls.ts";
import { SqlCalls } from "./sql_calls.ts";
import { hasDatabase, ValueCalls } from "./value_calls.ts";

const NONE: Map<string, unknown> = new Map();

type Call = (...values: never[]) => unknown;

/** Whether there is a function of this name. */
export function isHostFunction(name: string): boolean {
  return groupOf(name) !== undefined;
}

/** Whether a function may have to wait in this invocation, so that the module's stack must be suspended for it. */
export function mayWait(name: string, { env }: HostInvocation): boolean {
  return name === "db_get" ? hasDatabase(env) : !name.startsWith("last_");
}

/** The names of all functions, for messages. */
export function hostFunctionNames(): string[] {
  return groups().flatMap((Group) =>
    Object.getOwnPropertyNames(Group.prototype).filter((name) => name !== "constructor"),
  );
}

/** The functions `names`, as they are imported by an instance. */
export function hostFunctions(invocation: HostInvocation, names: readonly string[]): Map<string, unknown> {
  if (names.length === 0) return NONE;
  const made = new Map<unknown, object>();
  return new Map(
    names.map((name) => {
      const Group = groupOf(name) ?? ValueCalls;
      const group = made.get(Group) ?? new Group(invocation);
      made.set(Group, group);
      const call = (group as Record<string, Call>)[name]?.bind(group);
      return [name, mayWait(name, invocation) ? suspending(call) : call];
    }),
  );
}

function groupOf(name: string) {
  return name === "constructor" ? undefined : groups().find((Group) => Object.hasOwn(Group.prototype, name));
}

function groups() {
  return [ValueCalls, ConnectionCalls, KvCalls, SqlCalls, BlobCalls, QueueCalls, HttpCalls];
}
