/** What `npm pack` would publish: all that the command line needs, and nothing that only the repository needs. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");

/** Paths in the tarball. npm gives a list of packages, from version 12 on an object by name. */
async function packedFiles(): Promise<string[]> {
  const npm = Bun.spawn(["npm", "pack", "--dry-run", "--json"], { cwd: ROOT, stderr: "ignore" });
  const report = (await new Response(npm.stdout).json()) as Record<
    string,
    { readonly files: { readonly path: string }[] }
  >;
  expect(await npm.exited).toBe(0);
  return Object.values(report).flatMap(({ files }) => files.map(({ path }) => path));
}

test("the package holds the launcher, the program, the built SDK and the licence, and no test", async () => {
  const files = await packedFiles();
  const foreign = files.filter(
    (path) => !/^(bin|src|examples|scripts|dist\/sdk)\/|^(package\.json|LICENSE|README\.md)$/.test(path),
  );
  expect(foreign).toEqual([]);
  expect(
    files.filter((path) => /\.test\.|^src\/testing\/|^scripts\/(?!find_bun\.mjs|bunfig\.toml)/.test(path)),
  ).toEqual([]);
  const needed = [
    "LICENSE",
    "bin/isopod",
    "bin/package.json",
    "scripts/find_bun.mjs",
    "scripts/bunfig.toml",
    "src/cli/main.ts",
    "dist/sdk/main.js",
    "dist/sdk/types/sdk/main.d.ts",
    "dist/sdk/types/sdk/globals.d.ts",
    "dist/sdk/esbuild_plugin.js",
    "dist/sdk/vite_plugin.js",
  ];
  expect(needed.filter((path) => !files.includes(path))).toEqual([]);
});
