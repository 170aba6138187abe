import { expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTemporary, writeWhole } from "./durable_file.ts";

test("a file is there whole, for its owner alone, and a failure leaves nothing", async () => {
  const directory = await mkdtemp(join(tmpdir(), "isopod-file-"));
  try {
    await writeWhole(directory, "a", new Uint8Array([1, 2]));
    expect([...(await readFile(join(directory, "a")))]).toEqual([1, 2]);
    expect((await stat(join(directory, "a"))).mode & 0o777).toBe(0o600);
    await expect(writeWhole(directory, "missing/b", new Uint8Array())).rejects.toThrow();
    expect(await readdir(directory)).toEqual(["a"]);
  } finally {
    await rm(directory, { recursive: true });
  }
  expect(isTemporary(`.pin-${crypto.randomUUID()}`)).toBeTrue();
  expect(isTemporary("sha256-ab.ts")).toBeFalse();
});
