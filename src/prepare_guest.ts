/** The guest as the engines take it: its text, and its executable when one can be made on this machine. */
import { join } from "node:path";
import type { BrowserGuest } from "./engines/browser/engine.ts";
import type { ProcessGuest } from "./engines/process/engine.ts";
import { compileGuest } from "./engines/script/compiled_guest.ts";
import type { ScriptEngineOptions } from "./engines/script/engine.ts";
import { browserGuestCode, browserPageCode, GUEST_CODE, processGuestCode } from "./guest_code.ts";
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
  const directory = cacheIn(dataDirectory);
  try {
    return { bun, guestCode: GUEST_CODE, compiledGuest: await compileGuest({ bun, code: GUEST_CODE, directory }) };
  } catch (error) {
    report({ level: "warn", text: "Guests start slower: they could not be compiled" }, { reason: String(error) });
    return { bun, guestCode: GUEST_CODE };
  }
}

/** Prepares the guest of the `process` engine in the same way. */
export function prepareProcessGuest(dataDirectory: string, report: Telemetry["report"]): Promise<ProcessGuest> {
  return prepareOther(processGuestCode(), dataDirectory, report);
}

/** Prepares the guest of the `browser` engine, and what its pages begin with. */
export async function prepareBrowserGuest(dataDirectory: string, report: Telemetry["report"]): Promise<BrowserGuest> {
  return { ...(await prepareOther(browserGuestCode(), dataDirectory, report)), page: browserPageCode() };
}

async function prepareOther(code: string, dataDirectory: string, report: Telemetry["report"]): Promise<ProcessGuest> {
  const bun = process.execPath;
  try {
    return { program: await compileGuest({ bun, code, directory: cacheIn(dataDirectory) }), code: undefined };
  } catch (error) {
    report(
      { level: "warn", text: "Programs start slower: their guest could not be compiled" },
      { reason: String(error) },
    );
    return { program: bun, code };
  }
}

function cacheIn(dataDirectory: string): string {
  return process.env["ISOPOD_CACHE"] || join(dataDirectory, "guests");
}
