/**
 * The load of a function's program into an instance that has none yet, in the time that an invocation may take.
 *
 * Evaluating the program is the guest's work, and its processor time the supervisor's; here is the clock alone.
 */
import type { Clock } from "../core/clock.ts";
import { toIsopodError } from "../core/errors.ts";
import type { FunctionVersion, VersionContents } from "../core/function.ts";
import { limitError } from "./figures.ts";
import type { Instance } from "./instance.ts";

/** Loads `source` into `instance`, which ends when that fails. @throws {IsopodError} what its evaluation failed of */
export async function loadVersion(
  instance: Instance,
  source: FunctionVersion,
  contents: VersionContents,
  clock: Clock,
): Promise<void> {
  const { project, name, version, limits } = source;
  const { program, exportName, env, egress, bindings } = contents;
  const cancel = clock.after(limits.wallMs, () => instance.end(limitError("wall_limit", "wallMs", limits)));
  try {
    await instance.load(
      {
        mode: "function",
        program,
        exportName,
        env,
        grants: { egress, cacheSpace: `${project}/functions`, bindings },
        project,
        fn: { name, version },
        memoryBytes: limits.memoryBytes,
      },
      limits.memoryBytes,
    );
  } catch (error) {
    instance.end(toIsopodError(error));
    throw error;
  } finally {
    cancel();
  }
}
