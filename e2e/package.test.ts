/** The published package: packed by npm, installed in an empty folder, and started there. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { ANY_PORTS, launchServer, runCommand, temporaryFolder } from "./launched_server.ts";

const ROOT = join(import.meta.dir, "..");
const MINUTE_MS = 60_000;

test(
  "what npm packs installs in an empty folder, and npx isopod serves and runs programs there",
  async () => {
    using packed = temporaryFolder();
    using folder = temporaryFolder();
    const report = JSON.parse(
      runCommand(["npm", "pack", "--json", "--ignore-scripts", "--pack-destination", packed.path], ROOT),
    );
    const [{ filename, files }] = Object.values<{ filename: string; files: { path: string }[] }>(report) as [
      { filename: string; files: { path: string }[] },
    ];
    expect(files.filter(({ path }) => /\.test\.|^src\/testing\/|^e2e\/|^bench\//.test(path))).toEqual([]);
    await Bun.write(join(folder.path, "package.json"), "{}");
    runCommand(
      ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", join(packed.path, filename)],
      folder.path,
    );

    const { version } = await Bun.file(join(ROOT, "package.json")).json();
    expect(runCommand(["npx", "--no-install", "isopod", "--version"], folder.path)).toBe(`${version}\n`);
    const command = ["npx", "--no-install", "isopod", "serve", ...ANY_PORTS, "--data", join(folder.path, "data")];
    await using server = await launchServer(command, { cwd: folder.path });
    await Bun.write(join(folder.path, "hello.ts"), 'const who: string = "Ada"; console.log("hello", who);');
    const env = { ISOPOD_RUN_URL: server.url };
    expect(runCommand(["npx", "--no-install", "isopod", "run", "hello.ts"], folder.path, env)).toBe("hello Ada\n");
  },
  MINUTE_MS,
);
