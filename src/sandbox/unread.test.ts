/** A guest that reads later than it is told, or never: nothing is lost, and nothing fills the memory of the host. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sandbox } from "./sandbox.ts";

const MB = 1024 * 1024;

/** A sandbox whose program is the shell, with `script` as its file `/program`. */
function shell(script: string): Sandbox {
  const path = mkdtempSync(join(tmpdir(), "isopod-unread-"));
  chmodSync(path, 0o755);
  writeFileSync(join(path, "program"), script, { mode: 0o644 });
  return new Sandbox({
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
}

test("what is told to a guest that never reads is bounded", async () => {
  const sandbox = shell("exec sleep 60");
  const guest = sandbox.start(["program"], false);
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

test("what a guest cannot take at once reaches it whole, and what it answers waits until it is read", async () => {
  const sandbox = shell("exec cat");
  const guest = sandbox.start(["program"], false);
  const told = new Uint8Array(8 * MB);
  for (let at = 0; at < told.length; at += 4) new DataView(told.buffer).setUint32(at, at);
  const heard: Uint8Array[] = [];
  let bytes = 0;
  const all = Promise.withResolvers<void>();
  let pauses = 0;
  guest.read({
    data(chunk) {
      heard.push(chunk);
      bytes += chunk.length;
      if (bytes === told.length) all.resolve();
      guest.pause();
      pauses += 1;
      setImmediate(() => guest.resume());
    },
    end: () => all.resolve(),
  });
  for (let at = 0; at < told.length; at += MB) guest.write(told.slice(at, at + MB));
  await all.promise;
  expect(Buffer.concat(heard).equals(told)).toBe(true);
  expect(pauses).toBeGreaterThan(8);
  guest.kill();
  expect((await guest.exited).code).toBe(137);
  sandbox.close();
});
