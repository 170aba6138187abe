/** What a standard server is made of: the engines and bindings, as explicit lists. */
import { join } from "node:path";
import { createEgress } from "./bindings/egress/binding.ts";
import { createKv } from "./bindings/kv/binding.ts";
import type { Binding, BindingSet, DataQuotas } from "./core/binding.ts";
import type { Clock } from "./core/clock.ts";
import type { Engine } from "./core/engine.ts";
import { createScriptEngine, type ScriptEngineOptions } from "./engines/script/engine.ts";

/** Every engine; each is made from the same options. */
export const ENGINES: readonly ((options: ScriptEngineOptions) => Engine)[] = [createScriptEngine];

/** What bindings are made of. */
export interface BindingParts {
  /** The server's data directory; each binding has a folder of its own type there. */
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly quotas: DataQuotas;
  /** Hears what went wrong where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Every binding. */
export function createBindings(parts: BindingParts): BindingSet {
  const { dataDirectory } = parts;
  const bindings: readonly Binding[] = [createKv({ ...parts, directory: join(dataDirectory, "kv") })];
  return { egress: createEgress(), byType: new Map(bindings.map((binding) => [binding.type, binding])) };
}
