/** What bundles: the sandboxed builder, as the control plane calls it. Types only. */
import type { ModuleLoader, Program, ProgramSource } from "../../core/function.ts";

/** Joins a source with what the loader finds; `always` also when there seems to be nothing to find. */
export type Build = (
  source: ProgramSource,
  loader: ModuleLoader,
  signal: AbortSignal,
  always: boolean,
) => Promise<Program>;
