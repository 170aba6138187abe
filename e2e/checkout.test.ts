/** A fresh checkout: one command sets it up, serves the examples and says what to try. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  ANY_PORTS,
  copyCheckout,
  launchServer,
  runCommand,
  type TemporaryFolder,
  temporaryFolder,
} from "./launched_server.ts";

const ROOT = join(import.meta.dir, "..");
const MINUTE_MS = 60_000;
/** The promise is two seconds on a machine with nothing else to do; a busy one gets twice that. */
const SECOND_START_MS_MAX = 4000;
let folder: TemporaryFolder;
let checkout: string;

beforeAll(() => {
  folder = temporaryFolder();
  // Nobody but its owner may enter, as below /root: a sandboxed uid cannot read the Bun binary there.
  chmodSync(folder.path, 0o700);
  checkout = join(folder.path, "isopod");
  mkdirSync(checkout);
  copyCheckout(ROOT, checkout);
});

afterAll(() => folder[Symbol.dispose]());

const start = () =>
  launchServer(["npm", "start", "--", ...ANY_PORTS], {
    cwd: checkout,
    env: { ISOPOD_DATA: join(folder.path, "data") },
    readyMsMax: MINUTE_MS,
  });

test(
  "npm start installs what it needs and serves; the three commands that it prints work when pasted",
  async () => {
    await using server = await start();
    const commands = server
      .stdout()
      .split("\n")
      .filter((line) => line.startsWith("  curl "))
      .map((line) => line.trim());
    expect(commands.length).toBe(3);
    const answers = commands.map((command) =>
      runCommand(["sh", "-c", `${command} --silent --show-error --fail`], checkout),
    );
    expect(answers[0]).toContain("Ada");
    expect(answers[1]).toBe("hello 1\nhello 2\nhello 3\n");
    expect(JSON.parse(answers[2] ?? "").squares.length).toBe(20);
  },
  MINUTE_MS,
);

test("the second npm start begins serving within two seconds", async () => {
  await using server = await start();
  console.log(`from \`npm start\` to the first answer: ${Math.round(server.readyMs)} ms`);
  expect((await fetch(`${server.url}/hello/Ada`)).status).toBe(200);
  expect(server.readyMs).toBeLessThan(SECOND_START_MS_MAX);
});
