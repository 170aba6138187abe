/** What programs find without being told where: packages in the folders of AWS's layers, and variables that nobody has set. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { askLogs } from "../../testing/log_client.ts";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";

const PATHS = { PATH: "/usr/local/bin:/usr/bin:/bin" };
const hasNode = Bun.which("node", PATHS) !== null;
/** Of the machine's Python, as the folders of layers have it. */
const version = Bun.spawnSync([
  Bun.which("python3", PATHS) ?? "python3",
  ...["-c", "import sys; print('%d.%d' % sys.version_info[:2], end='')"],
]).stdout.toString();

const LAYERS = {
  "layer/python/top.py": "NAME = 'top'",
  "layer/python/both.py": "NAME = 'the top'",
  [`layer/python/lib/python${version}/site-packages/deep.py`]: "NAME = 'deep'",
  [`layer/python/lib/python${version}/site-packages/both.py`]: "NAME = 'site-packages'",
  "layer/python/lib/python3.0/site-packages/other.py": "",
  "layer/nodejs/node_modules/found/package.json": '{"name":"found","main":"main.js"}',
  "layer/nodejs/node_modules/found/main.js": 'module.exports = "found";',
};

/** Prints without a flush, and answers with what it has found. */
const PRINTS = `
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("a line of", self.path)
        body = os.environ["PYTHONUNBUFFERED"].encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`;
const BUFFERING = { unset: "", own: 'PYTHONUNBUFFERED = ""' } as const;

let server: TestServer;
beforeAll(async () => {
  server = await startProcesses(
    {
      python: {
        code: `
import top, deep, both
def handle(event, context):
    try: import other
    except ImportError: other = None
    return [top.NAME, deep.NAME, both.NAME, other]`,
        config: 'runtime = "python"\nhandler = "main.handle"\nlayers = ["layer"]',
      },
      ...Object.fromEntries(
        Object.entries(BUFFERING).map(([name, env]) => [
          name,
          { code: PRINTS, config: `dialect = "http"\ncommand = "python3 main.py"\nenv = { ${env} }` },
        ]),
      ),
      node: {
        code: "",
        files: { "app.cjs": 'exports.handle = async () => require("found");' },
        config: 'runtime = "node"\nhandler = "app.handle"\nlayers = ["layer"]',
      },
    },
    LAYERS,
  );
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const told = async (name: string) => (await fetch(`${server.url}/${name}`)).json();

test("Python finds packages where pip has installed them for AWS, before those at the top", async () => {
  expect(await told("python")).toEqual(["top", "deep", "site-packages", null]);
});

test.skipIf(!hasNode)("Node finds packages (skipped where the machine's own folders have no node)", async () => {
  expect(await told("node")).toBe("found");
});

test("what Python prints is in the log at once, unless the function wants it otherwise", async () => {
  const answer = await fetch(`${server.url}/unset`);
  expect(await answer.text()).toBe("1");
  const line = await settled("a line of the log", async () => {
    const { items } = await askLogs(server, { function: "unset" });
    return items.find(({ kind }) => kind === "line");
  });
  expect(line).toMatchObject({ text: "a line of /unset" });
  expect(await (await fetch(`${server.url}/own`)).text()).toBe("");
});
