/** Builds by esbuild and Vite, whose output runs against a server that runs only what is pinned. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import { isopod } from "../testing/command_line.ts";
import { startTestServer, type TestServer } from "../testing/server.ts";
import { pinFunctions as esbuildPlugin } from "./esbuild_plugin.ts";
import type { PinFunctionsOptions } from "./pin_source.ts";
import { pinFunctions as vitePlugin } from "./vite_plugin.ts";

const SDK = join(import.meta.dir, "..", "sdk", "main.ts");

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ config: '[plans.anonymous]\nrun = "pinned"\n' });
});
afterAll(() => server[Symbol.asyncDispose]());

/** A project in a folder of its own: a client in one file, a function in another. */
function project(name: string, body: string): string {
  const folder = join(server.directory, name);
  mkdirSync(join(folder, "src"), { recursive: true });
  const client = `import { connect } from "isopod";\nexport const server = connect(${JSON.stringify(server.url)});\n`;
  writeFileSync(join(folder, "src", "client.ts"), client);
  const app = `import type { RunContext } from "isopod";
import { server } from "./client.ts";

type Pair = { a: number; b: number };
export const answer = (args: Pair) =>
  server.run(async ({ args }: RunContext<Pair>) => {
    ${body}
  }, args);
`;
  writeFileSync(join(folder, "src", "app.ts"), app);
  return folder;
}

interface Built {
  answer(args: { readonly a: number; readonly b: number }): Promise<unknown>;
}

/** Builders of a project; each gives the file that it wrote. */
const BUILDS: Readonly<Record<string, (folder: string, options: PinFunctionsOptions) => Promise<string>>> = {
  async esbuild(folder, options) {
    await esbuild({
      absWorkingDir: folder,
      entryPoints: [join(folder, "src", "app.ts")],
      bundle: true,
      format: "esm",
      outdir: join(folder, "out"),
      sourcemap: "linked",
      alias: { isopod: SDK },
      plugins: [esbuildPlugin(options)],
      logLevel: "silent",
    });
    return join(folder, "out", "app.js");
  },
  async vite(folder, options) {
    await vite({
      root: folder,
      configFile: false,
      logLevel: "silent",
      resolve: { alias: { isopod: SDK } },
      plugins: [vitePlugin(options)],
      build: {
        outDir: "out",
        sourcemap: true,
        lib: { entry: "src/app.ts", formats: ["es"], fileName: () => "app.js" },
      },
    });
    return join(folder, "out", "app.js");
  },
};

const access = () => ({ url: server.adminUrl, token: server.token });
const load = (file: string): Promise<Built> => import(file);

for (const [name, build] of Object.entries(BUILDS)) {
  test(`${name}: the built code runs what was pinned, and holds no function`, async () => {
    const found: string[] = [];
    const folder = project(name, `return { sum: args.a + args.b, by: "${name}" };`);
    const file = await build(folder, { ...access(), found: ({ at }) => found.push(at) });
    const text = await Bun.file(file).text();
    expect(found).toEqual(["src/app.ts:6:14"]);
    expect(text).not.toContain("sum:");
    expect(text).toContain("sha256-");
    const { answer } = await load(file);
    expect(await answer({ a: 1, b: 2 })).toEqual({ sum: 3, by: name });
    expect((await Bun.file(`${file}.map`).json()).sources.join()).toContain("src/app.ts");
  });

  test(`${name}: a function that was changed and not pinned is refused, and so is one that was not built`, async () => {
    const folder = project(`${name}-changed`, `return args.a; // ${name}`);
    const refused = await load(await build(folder, { register: false }));
    expect(refused.answer({ a: 1, b: 2 })).rejects.toMatchObject({ code: "not_found" });
    const unbuilt = await Bun.build({
      entrypoints: [join(folder, "src", "app.ts")],
      outdir: join(folder, "unbuilt"),
      plugins: [{ name: "sdk", setup: (to) => void to.onResolve({ filter: /^isopod$/ }, () => ({ path: SDK })) }],
    });
    const { answer } = await load(unbuilt.outputs[0]?.path ?? "");
    expect(answer({ a: 1, b: 2 })).rejects.toMatchObject({ code: "not_pinned" });
  });

  test(`${name}: an error names the place in the sources, line and column`, async () => {
    const folder = project(`${name}-throws`, `if (args.a > 0)\n      throw new RangeError("${name}");`);
    const { answer } = await load(await build(folder, access()));
    const error = await answer({ a: 1, b: 2 }).catch((thrown: Error) => thrown);
    expect((error as Error).message).toBe(`RangeError: ${name}`);
    expect((error as Error).stack).toMatch(/^IsopodRunError: RangeError: \w+\n {4}at .*\bsrc\/app\.ts:8:(13|17)\b/);
  });

  test(`${name}: what cannot be pinned fails the build, and so does a server that does not take it`, async () => {
    const folder = project(`${name}-fails`, "return 1;");
    writeFileSync(
      join(folder, "src", "app.ts"),
      `import { server } from "./client.ts";\nexport const answer = (f: () => number) => server.run(f);\n`,
    );
    expect(build(folder, access())).rejects.toThrow(/Cannot pin what is run at .*src\/app\.ts:2:55/);
    const refused = project(`${name}-refused`, `return "${name}";`);
    expect(build(refused, { ...access(), token: "wrong" })).rejects.toThrow(/Cannot pin src\/app\.ts:6:14: .*token/);
  });
}

test("isopod pin pins the functions of sources with the hashes that a build puts in their place", async () => {
  const folder = project("cli", `return args.b * 1000;`);
  writeFileSync(join(folder, "src", "plain.ts"), "export const nothing = 1;\n");
  const data = ["--data", join(server.directory, "data"), "--url", server.adminUrl];
  const { code, stdout, stderr } = await isopod(["pin", "src/**/*.ts", "--json", ...data], { cwd: folder });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [pinned, ...rest] = JSON.parse(stdout);
  expect(rest).toEqual([]);
  expect(pinned).toMatchObject({ file: "src/app.ts", line: 6, column: 14 });
  for (const [name, build] of Object.entries(BUILDS)) {
    const file = await build(folder, { register: false });
    expect([name, await Bun.file(file).text()]).toEqual([name, expect.stringContaining(pinned.hash)]);
    const { answer } = await load(`${file}?${name}`);
    expect(await answer({ a: 1, b: 2 })).toBe(2000);
  }
  const listed = (await isopod(["pin", "src/app.ts", ...data], { cwd: folder })).stdout;
  expect(listed).toBe(`${pinned.hash}  ${pinned.url}  src/app.ts:6:14\n`);
  const none = await isopod(["pin", "--functions", "src/plain.ts", ...data], { cwd: folder });
  expect(none.stderr).toContain("Cannot pin functions of src/plain.ts: nothing there is sent");
  const missing = await isopod(["pin", "lib/*.ts", ...data], { cwd: folder });
  expect(missing.stderr).toContain("Cannot pin lib/*.ts: no file matches");
});
