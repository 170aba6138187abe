/** A guest that does not read what it is told: it is ended before it fills the memory of the host. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "./sandbox.ts";

const MB = 1024 * 1024;

test("what is told to a guest that never reads is bounded", async () => {
  const path = mkdtempSync(join(tmpdir(), "isopod-unread-"));
  chmodSync(path, 0o755);
  writeFileSync(join(path, "deaf"), "exec sleep 60", { mode: 0o644 });
  const sandbox = new Sandbox({
    root: {
      path,
      program: "/bin/sh",
      programSource: "/bin/sh",
      remove: () => rmSync(path, { recursive: true, force: true }),
    },
    outerFilter: new Uint8Array(0),
    seal: new Uint8Array(0),
    rlimits: [],
    dataBytes: 512 * MB,
    env: {},
    isolation: "none",
  });
  const guest = sandbox.start(["deaf"], false);
  let ended = false;
  guest.exited.then(() => {
    ended = true;
  });
  for (let told = 0; told < 60; told += 1) guest.write(new Uint8Array(MB));
  await new Promise((resolve) => setImmediate(resolve));
  expect(ended).toBe(false);
  for (let told = 0; told < 10; told += 1) guest.write(new Uint8Array(MB));
  expect((await guest.exited).code).toBe(137);
  sandbox.close();
});
