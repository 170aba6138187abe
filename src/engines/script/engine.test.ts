/** The script engine against the suite of all engines, and what only it has to show: a binary that nobody else may read. */
import { describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guestCode, prepareGuest, testEngine } from "../../testing/engine-suite.ts";
import { createScriptEngine } from "./engine.ts";

const MB = 1024 * 1024;

function create(directory: string, bun = process.execPath) {
  return createScriptEngine({
    bun,
    guestCode,
    directory,
    isolation: "bubblewrap",
    memoryBytesMax: 512 * MB,
    uids: { first: 1_991_000_000, count: 256 },
  });
}

testEngine("script", {
  create,
  limits: {
    "Max core file size": "0",
    "Max open files": "64",
    "Max processes": "64",
    "Max file size": "0",
    "Max locked memory": "0",
  },
});

describe("a Bun binary and a data directory that only root may enter", () => {
  test.skipIf(process.getuid?.() !== 0)(
    "are copied to where a sandboxed uid can read them",
    async () => {
      const closed = mkdtempSync(join(tmpdir(), "isopod-closed-"));
      chmodSync(closed, 0o700);
      const bun = join(closed, "bun");
      copyFileSync(process.execPath, bun);
      chmodSync(bun, 0o700);
      mkdirSync(join(closed, "data"));
      const engine = create(join(closed, "data"), bun);
      try {
        const { process: guest, instance } = await prepareGuest(engine);
        expect(instance.alive).toBeTrue();
        guest.kill();
        await guest.exited;
      } finally {
        await engine.close();
        rmSync(closed, { recursive: true, force: true });
      }
    },
    20_000,
  );
});
