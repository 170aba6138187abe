/** Calls for values: variables, keys of the KV binding `DB`, and what another call has given. */
import type { Word } from "../guest_memory.ts";
import type { HostInvocation } from "./host_invocation.ts";

interface Database {
  get(key: string, type: "bytes"): Promise<Uint8Array | null>;
}

/** The calls. */
export class ValueCalls {
  readonly #invocation: HostInvocation;

  constructor(invocation: HostInvocation) {
    this.#invocation = invocation;
  }

  db_get(keyPointer: Word, keySize: Word, pointer: Word, size: Word): bigint | Promise<bigint> {
    const { memory, env, variables } = this.#invocation;
    const key = memory.text("db_get", keyPointer, keySize);
    const give = (value: Uint8Array | string | undefined) => this.#invocation.give("db_get", value, pointer, size);
    if (Object.hasOwn(variables, key)) return give(variables[key]);
    if (!hasDatabase(env)) return give(undefined);
    return (env["DB"] as Database).get(key, "bytes").then((value) => give(value ?? undefined));
  }

  last_value(pointer: Word, size: Word): bigint {
    return this.#invocation.give("last_value", this.#invocation.last, pointer, size);
  }
}

/** Whether `db_get` may have to ask a binding. */
export function hasDatabase(env: Readonly<Record<string, unknown>>): boolean {
  const database = Object.hasOwn(env, "DB") ? env["DB"] : undefined;
  return typeof database === "object" && database !== null && "getWithMetadata" in database;
}
