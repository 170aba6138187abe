/**
 * What npm publishes of the SDK, as plain JavaScript with declarations, in `dist/sdk/`: `npm pack` calls it.
 *
 * The SDK itself is one file for any platform, with the routers of Hono inside. The plug-ins run where builds do, and
 * leave their parser to be installed.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const OUT = join(ROOT, "dist", "sdk");

const ENTRIES = [
  { file: "src/sdk/main.ts", target: "browser", external: [] },
  { file: "src/pinning/esbuild_plugin.ts", target: "node", external: ["@babel/parser", "magic-string"] },
  { file: "src/pinning/vite_plugin.ts", target: "node", external: ["@babel/parser", "magic-string"] },
] as const;

rmSync(OUT, { recursive: true, force: true });
for (const { file, target, external } of ENTRIES) {
  const entrypoints = [join(ROOT, file)];
  await Bun.build({ entrypoints, outdir: OUT, target, external: [...external], format: "esm", packages: "bundle" });
}
// Here and not in the file: options that concern only what is written.
const written = [
  "--noEmit",
  "false",
  "--declaration",
  "--emitDeclarationOnly",
  "--rootDir",
  "src",
  "--outDir",
  join(OUT, "types"),
];
const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
const compiler = Bun.spawnSync(
  [process.execPath, tsc, "--project", join(ROOT, "scripts", "sdk_types.json"), ...written],
  { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] },
);
if (!compiler.success) throw new Error(`Cannot write the declarations of the SDK: tsc ended with ${compiler.exitCode}`);
