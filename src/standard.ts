/** What a standard server is made of: the engines and bindings, as explicit lists. */
import { createEgress } from "./bindings/egress/binding.ts";
import type { Binding } from "./core/binding.ts";
import type { Engine } from "./core/engine.ts";
import { createScriptEngine, type ScriptEngineOptions } from "./engines/script/engine.ts";

/** Every engine; each is made from the same options. */
export const ENGINES: readonly ((options: ScriptEngineOptions) => Engine)[] = [createScriptEngine];

/** Every binding. */
export const BINDINGS: readonly (() => Binding)[] = [() => createEgress()];
