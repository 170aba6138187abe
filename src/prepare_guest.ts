/** The guest as the engines take it: its text, and its executable when one can be made on this machine. */
import { join } from "node:path";
import { compileGuest } from "./engines/script/compiled_guest.ts";
import type { ScriptEngineOptions } from "./engines/script/engine.ts";
import { GUEST_CODE } from "./guest_code.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";

/**
 * Prepares the guest. Executables are kept in the data directory, or in `ISOPOD_CACHE` for many servers of one
 * machine: they are 110 MB each, and the same for every server of one version.
 */
export async function prepareGuest(
  dataDirectory: string,
  report: Telemetry["report"],
): Promise<Pick<ScriptEngineOptions, "bun" | "guestCode" | "compiledGuest">> {
  const bun = process.execPath;
  const directory = process.env["ISOPOD_CACHE"] || join(dataDirectory, "guests");
  try {
    return { bun, guestCode: GUEST_CODE, compiledGuest: await compileGuest({ bun, code: GUEST_CODE, directory }) };
  } catch (error) {
    report({ level: "warn", text: "Guests start slower: they could not be compiled" }, { reason: String(error) });
    return { bun, guestCode: GUEST_CODE };
  }
}
