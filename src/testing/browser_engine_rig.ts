/** A browser engine without a server, and pages in it as the pool has them. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import type { Engine, GuestProcess } from "../core/engine.ts";
import { createBrowserEngine } from "../engines/browser/engine.ts";
import { browserGuestCode, browserPageCode } from "../guest_code.ts";
import { Instance } from "../pool/instance.ts";
import { NO_BINDING_SET } from "./guest_program.ts";

const PROGRAM = { kind: "browser", name: "f.ts", hash: "h", code: "export default () => 1", files: [] } as const;
const MB = 1024 * 1024;

/** Hands a browser engine with `more` of its options to `use`, and closes it. */
export async function withBrowsers(more: object, use: (engine: Engine) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "isopod-browser-"));
  chmodSync(directory, 0o755);
  const guest = { program: process.execPath, code: browserGuestCode(), page: browserPageCode() };
  const engine = createBrowserEngine({
    ...{ browserGuest: async () => guest, chromium: undefined, directory, ...more },
    uids: { first: 1_992_000_000, count: 64 },
  });
  try {
    await use(engine);
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Opens a page and waits until its program is loaded. */
export async function openPage(
  engine: Engine,
  project: string,
  key: string,
): Promise<{ process: GuestProcess; instance: Instance }> {
  const process = await engine.start("run", { program: PROGRAM, memoryBytes: 200 * MB, project, key });
  const instance = new Instance({ process, clock: systemClock, bindings: NO_BINDING_SET, report() {} });
  await instance.prepare();
  const grants = { egress: { allow: [], secrets: [] }, cacheSpace: "", bindings: new Map() };
  const fn = { name: "f", version: "v" };
  await instance.load({ mode: "function", program: PROGRAM, env: {}, grants, project, fn }, 200 * MB);
  return { process, instance };
}
