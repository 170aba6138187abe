/** The SDK in a page: loaded as it is published, calling a server of another origin. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { ANY_PORTS, launchServer, runCommand, temporaryFolder } from "./launched_server.ts";

const ROOT = join(import.meta.dir, "..");
const CHROMIUMS = [
  "chromium-headless-shell",
  "chrome-headless-shell",
  "google-chrome-stable",
  "google-chrome",
  "chromium",
];
const named = [process.env.ISOPOD_CHROMIUM ?? "", ...CHROMIUMS].filter(Boolean);
const chromium = named.map((name) => Bun.which(name)).find((path) => path !== null);
/** Its own sandbox stays on, which refuses root. */
const skipped = chromium === undefined ? "no Chromium is installed" : process.getuid?.() === 0 && "root may start none";

const PAGE = (server: string) => `<!doctype html><script type="module">
  import { connect } from "/sdk.js";
  const server = connect(${JSON.stringify(server)});
  const seen = await (async () => {
    const values = [];
    for await (const value of await server.run(async function* ({ args }) { yield args; yield 2; }, 1)) values.push(value);
    const error = await server.run(() => { throw new RangeError("there"); }).catch((thrown) => thrown);
    return { sum: await server.run(({ args }) => args.a + 1, { a: 1 }), values, error: error.message };
  })().catch(String);
  await fetch("/seen", { method: "POST", body: JSON.stringify(seen) });
</script>`;

test.skipIf(Boolean(skipped))(`a page runs functions${skipped ? ` (skipped: ${skipped})` : ""}`, async () => {
  using folder = temporaryFolder();
  runCommand(["npm", "run", "--silent", "prepack"], ROOT);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  let server = "";
  using pages = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    routes: {
      "/": () => new Response(PAGE(server), { headers: { "content-type": "text/html" } }),
      "/sdk.js": new Response(Bun.file(join(ROOT, "dist", "sdk", "main.js"))),
      "/seen": async (request) => {
        resolve(await request.json());
        return new Response();
      },
    },
  });
  const config = join(folder.path, "isopod.toml");
  await Bun.write(config, `[plans.anonymous]\nrun = "any"\norigins = ["${pages.url.origin}"]\n`);
  const command = [process.execPath, join(ROOT, "src", "cli", "main.ts"), "serve", "--config", config, ...ANY_PORTS];
  await using launched = await launchServer([...command, "--data", join(folder.path, "data")]);
  server = launched.url;
  const flags = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${join(folder.path, "profile")}`];
  const browser = Bun.spawn([chromium ?? "", ...flags, pages.url.href], { stdio: ["ignore", "ignore", "ignore"] });
  try {
    expect(await promise).toEqual({ sum: 2, values: [1, 2], error: "RangeError: there" });
  } finally {
    browser.kill();
    await browser.exited;
  }
});
