/** Ready-made runtimes whose handler cannot be loaded: the caller is told in the language's words, and the log has the rest. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { askLogs, logsOf } from "../../testing/log_client.ts";
import { errorOf, type RigFunction, startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

const hasNode = Bun.which("node", { PATH: "/usr/local/bin:/usr/bin:/bin" }) !== null;

/** The runtime for Python in both dialects, and that for Node, each with a handler. */
const RUNTIMES: Readonly<Record<string, (handler: string) => string>> = {
  lines: (handler) => `runtime = "python"\nhandler = "${handler}"`,
  api: (handler) => `command = "python3 /var/runtime/python.py runtime-api"\nhandler = "${handler}"`,
  node: (handler) => `runtime = "node"\nhandler = "${handler}"`,
};

/** What a module does wrong, in both languages; what is asked for; what the caller and the log are told. */
const FAULTS: readonly {
  readonly name: string;
  readonly handler: string;
  readonly python: string;
  readonly node: string;
  readonly told: { readonly python: string; readonly node: string };
}[] = [
  {
    ...{
      name: "nohandler",
      handler: "app.nope",
      python: "def handle(event, context): pass",
      node: "export const a = 1;",
    },
    told: { python: "AttributeError: module 'app' has no attribute 'nope'", node: "app.mjs exports no nope" },
  },
  {
    ...{ name: "raises", handler: "app.handle", python: "print('begins')\nraise ValueError('no good')" },
    node: "console.log('begins');\nthrow new TypeError('no good');",
    told: { python: "ValueError: no good", node: "TypeError: no good" },
  },
  {
    ...{ name: "syntax", handler: "app.handle", python: "def (:", node: "export const = ;" },
    told: { python: "SyntaxError: invalid syntax", node: "SyntaxError: " },
  },
  {
    ...{ name: "nomodule", handler: "missing.handle", python: "", node: "" },
    told: { python: "ModuleNotFoundError: No module named 'missing'", node: "there is no missing.mjs" },
  },
];

let server: TestServer;
beforeAll(async () => {
  const functions: Record<string, RigFunction> = {};
  for (const [runtime, config] of Object.entries(RUNTIMES)) {
    for (const { name, handler, python, node } of FAULTS) {
      const files = { "app.py": python, "app.mjs": node };
      functions[`${runtime}${name}`] = { code: "", files, config: config(handler) };
    }
  }
  const config = RUNTIMES["lines"]?.("main.handle") ?? "";
  functions["leaves"] = { code: "import sys\nsys.exit(3)", config };
  functions["huge"] = { code: "raise ValueError('x' * 8_000_000)", config };
  functions["shut"] = { code: "import os, time\nos.closerange(3, 100)\ntime.sleep(300)", config };
  functions["lingers"] = {
    ...{ code: "import os, time\nif os.fork() == 0: time.sleep(300)\nraise ValueError('lingers')", config },
  };
  server = await startProcesses(functions);
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const CASES = Object.keys(RUNTIMES)
  .filter((runtime) => runtime !== "node" || hasNode)
  .flatMap((runtime) => FAULTS.map((fault) => [runtime, fault.name, fault] as const));

test.each(CASES)(
  "by %s, %s is init_failed in the words of the language (node where the machine has it)",
  async (runtime, name, { told }) => {
    const said = runtime === "node" ? told.node : told.python;
    const called = `${runtime}${name}`;
    // Each has an instance of its own, and is told the same.
    for (let count = 0; count < 2; count += 1) {
      const answer = await fetch(`${server.url}/${called}`);
      const ended = await logsOf(server, answer);
      const { code, message } = await errorOf(answer);
      expect([answer.status, code, message]).toEqual([500, "init_failed", expect.stringContaining(said)]);
      const frame = runtime === "node" ? "  at " : 'File "';
      const error = {
        kind: "error",
        text: expect.stringMatching(new RegExp(`${RegExp.escape(said)}[^]*\n *${frame}`)),
      };
      expect(ended).toContainEqual(expect.objectContaining(error));
    }
    // What was written about it, too: what has not begun has no request.
    const { items } = await askLogs(server, { function: called, limit: "1000" });
    const lines = items.flatMap((item) => (item.kind === "line" ? [item.text] : []));
    expect(lines.filter((line) => line.includes(said)).length).toBe(2);
  },
);

test("a module that ends the program is told by its exit code", async () => {
  const { code, message } = await errorOf(await fetch(`${server.url}/leaves`));
  expect([code, message]).toEqual(["program_ended", expect.stringContaining("exit code 3")]);
});

test("what says too much or shuts its way is told by its name, and who leaves a child behind is not waited for", async () => {
  const told = async (name: string) => {
    const { code, message } = await errorOf(await fetch(`${server.url}/${name}`));
    return [code, message];
  };
  expect(await told("huge")).toEqual(["init_failed", expect.stringContaining("6291556")]);
  expect(await told("shut")).toEqual(["init_failed", "The program has closed its standard output."]);
  expect(await told("lingers")).toEqual(["init_failed", "ValueError: lingers"]);
});
