/** `isopod dev`: serves while sources are written, keeps what works when they break, and shows what programs say. */
import { expect, test } from "bun:test";
import { chmodSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isopod, startIsopod } from "../../testing/command_line.ts";
import { LineReader } from "../../testing/line_reader.ts";
import { ProjectFolder } from "../../testing/project_folder.ts";

/** What `--json` prints, as far as these tests look at it. */
interface DevEvent {
  readonly event: string;
  readonly url: string;
  readonly admin: string;
  readonly ms: number;
  readonly message: string;
  readonly text: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly serves_old: boolean;
  readonly record: { readonly kind: string; readonly level: string; readonly text: string };
}

/** A change is to be served within 300 ms. The shortest time is judged: the others may have met a busy machine. */
function expectSoon(leastMs: number): void {
  expect(leastMs).toBeLessThan(300);
}

/** `isopod dev` on a folder; `await using` ends it as Ctrl-C does, and checks that it ends well. */
class DevProcess implements AsyncDisposable {
  readonly #child: ReturnType<typeof startIsopod>;
  readonly #lines: LineReader;
  #url = "";

  constructor(path: string, env: Record<string, string> = {}) {
    const cache = process.env["ISOPOD_CACHE"];
    const args = ["dev", path, "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    this.#child = startIsopod(args, { env: { ...(cache !== undefined && { ISOPOD_CACHE: cache }), ...env } });
    this.#lines = new LineReader(this.#child.stdout);
  }

  /** The next event of this name; those before are passed over. */
  async event(name: string, matches: (event: DevEvent) => boolean = () => true): Promise<DevEvent> {
    const parse = (line: string | undefined) => JSON.parse(line ?? "{}") as DevEvent;
    const isIt = (line: string) => parse(line).event === name && matches(parse(line));
    const event = parse((await this.#lines.until(isIt)).at(-1));
    if (name === "ready") this.#url = event.url;
    return event;
  }

  get url(): string {
    return this.#url;
  }

  get(path: string): Promise<Response> {
    return fetch(`${this.#url}${path}`);
  }

  async text(path: string): Promise<string> {
    return (await this.get(path)).text();
  }

  /** Waits for a reload after which `look` gives `expected`: one change may be seen in two steps, and reload twice. */
  async reloadedTo<T>(expected: T, look: () => Promise<T>): Promise<void> {
    do await this.event("reloaded");
    while (!Bun.deepEquals(await look(), expected));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGINT");
    const code = await this.#child.exited;
    if (code !== 0) throw new Error(`isopod dev ended with ${code}: ${await new Response(this.#child.stderr).text()}`);
    if (this.#url === "") return;
    const answers = await fetch(this.#url).then(
      () => true,
      () => false,
    );
    if (answers) throw new Error(`${this.#url} answers after isopod dev has ended`);
  }
}

const TOML = `[[functions]]
name = "hello"
path = "./hello.ts"
routes = ["GET /hello/:how"]
env = { WHO = "you" }
`;
const HELLO = `import { greeting } from "./lib/greeting.ts";
export default (request: Request, env: { WHO: string }, ctx: { params: { how: string } }) => {
  if (ctx.params.how === "loud") console.warn("that was loud");
  if (ctx.params.how === "wrong") throw new Error("went wrong");
  return greeting + env.WHO;
};
`;

const files = {
  "isopod.toml": TOML,
  "hello.ts": HELLO,
  "lib/greeting.ts": 'export const greeting: string = "hello ";\n',
};

test("a request that no route takes is told with its path, and one that a route takes is not", async () => {
  using folder = new ProjectFolder(files);
  await using dev = new DevProcess(folder.path);
  await dev.event("ready");
  await dev.text("/hello/x");
  expect((await dev.get("/helo/x?secret=1")).status).toBe(404);
  expect(await dev.event("unrouted")).toMatchObject({ method: "GET", path: "/helo/x", status: 404 });
  expect((await fetch(`${dev.url}/hello/x`, { method: "DELETE" })).status).toBe(405);
  expect(await dev.event("unrouted")).toMatchObject({ method: "DELETE", path: "/hello/x", status: 405 });
});

test("a change of any source file is served within 300 ms, however the file is written", async () => {
  using folder = new ProjectFolder(files);
  await using dev = new DevProcess(folder.path);
  await dev.event("ready");
  expect(await dev.text("/hello/x")).toBe('"hello you"');
  const took: number[] = [];
  const change = async (write: () => void, expected: string) => {
    const began = performance.now();
    write();
    await dev.reloadedTo(expected, () => dev.text("/hello/x"));
    took.push(performance.now() - began);
  };
  for (let count = 1; count <= 10; count++) {
    const source = `export const greeting: string = "hello ${count} ";\n`;
    await change(() => folder[count % 2 ? "write" : "replace"]("lib/greeting.ts", source), `"hello ${count} you"`);
  }
  await change(() => folder.write("isopod.toml", TOML.replace("you", "all")), '"hello 10 all"');
  took.sort((a, b) => a - b);
  const [least = 0, median = 0, most = 0] = [took[0], took[5], took.at(-1)];
  console.log(`written to served: ${least.toFixed(0)}, median ${median.toFixed(0)}, most ${most.toFixed(0)} ms`);
  expectSoon(least);
});

test("a change of a middleware is served, and one that cannot be executed is told with its line", async () => {
  const module = (mark: string) =>
    `export const after = (response: Response) => response.headers.set("x-m", "${mark}");`;
  const sh = (mark: string) => `#!/bin/sh\necho "sh ${mark}" >&2\nexec sed "s/hello /said ${mark} /"\n`;
  const config = TOML.replace("routes", 'middlewares = ["say", "mark"]\nroutes');
  using folder = new ProjectFolder({
    ...{ ...files, "isopod.toml": config },
    "middlewares/mark.ts": module("1"),
    "middlewares/say": sh("1"),
  });
  chmodSync(join(folder.path, "middlewares/say"), 0o755);
  await using dev = new DevProcess(folder.path);
  await dev.event("ready");
  expect((await dev.get("/hello/x")).headers.get("x-m")).toBe("1");
  await dev.event("log", ({ record }) => record.text === "sh 1");
  folder.write("middlewares/mark.ts", module("2"));
  const marked = async () => (await dev.get("/hello/x")).headers.get("x-m");
  await dev.reloadedTo("2", marked);
  folder.write("middlewares/say", sh("2"));
  await dev.reloadedTo('"said 2 you"', () => dev.text("/hello/x"));
  await dev.event("log", ({ record }) => record.text === "sh 2");
  chmodSync(join(folder.path, "middlewares/say"), 0o644);
  folder.write("hello.ts", HELLO);
  const { message, line, serves_old } = await dev.event("broken");
  expect({ line, serves_old }).toEqual({ line: 4, serves_old: true });
  expect(message).toContain('the middleware "say" cannot be executed');
  expect((await dev.get("/hello/x")).headers.get("x-m")).toBe("2");
}, 30_000);

test("among many functions only what has changed is built again", async () => {
  const names = Array.from({ length: 30 }, (_, at) => `f${at}`);
  const code = (said: string) =>
    `import { n } from "./shared.ts";\nexport default () => ${JSON.stringify(said)} + n;\n`;
  using folder = new ProjectFolder({
    "isopod.toml": names
      .map((f) => `[[functions]]\nname = "${f}"\npath = "./${f}.ts"\nroutes = ["GET /${f}"]\n`)
      .join(""),
    "shared.ts": "export const n: number = 1;\n",
    ...Object.fromEntries(names.map((name) => [`${name}.ts`, code(name)])),
  });
  await using dev = new DevProcess(folder.path);
  await dev.event("ready");
  const took: number[] = [];
  for (const said of ["a", "b", "c", "d", "e"]) {
    const began = performance.now();
    folder.write("f7.ts", code(said));
    await dev.reloadedTo(`"${said}1"`, () => dev.text("/f7"));
    took.push(performance.now() - began);
  }
  const [least = 0, , median = 0] = took.sort((a, b) => a - b);
  console.log(`written to served, one of 30 functions: ${least.toFixed(0)}, median ${median.toFixed(0)} ms`);
  expectSoon(least);
  folder.write("shared.ts", "export const n: number = 22;\n");
  await dev.reloadedTo(['"e22"', '"f822"'], async () => [await dev.text("/f7"), await dev.text("/f8")]);
  // A module that is gone, though what imports it has not changed.
  rmSync(join(folder.path, "shared.ts"));
  expect((await dev.event("broken")).message).toContain("./shared.ts");
  expect(await dev.text("/f8")).toBe('"f822"');
});

test("what is broken is told with its place, and the version before goes on being served", async () => {
  using folder = new ProjectFolder(files);
  await using dev = new DevProcess(folder.path);
  await dev.event("ready");
  const told = ({ file, line, message }: DevEvent) => `${file.slice(folder.path.length + 1)}:${line} ${message}`;
  const breaks = async (name: string, source: string, expected: RegExp) => {
    folder.write(name, source);
    const broken = await dev.event("broken", (event) => expected.test(told(event)));
    expect(broken.serves_old).toBe(true);
    expect(await dev.text("/hello/x")).toBe('"hello you"');
  };
  await breaks("lib/greeting.ts", "\nexport const greeting = (;\n", /^lib\/greeting\.ts:2 Cannot load/);
  const thrown = 'export const greeting = "x";\n\nthrow new Error("at the top");\n';
  await breaks("lib/greeting.ts", thrown, /^lib\/greeting\.ts:3 Cannot load .*at the top/);
  folder.write("lib/greeting.ts", files["lib/greeting.ts"]);
  await dev.event("reloaded");
  await breaks("isopod.toml", `${TOML}wrong = 1\n`, /^isopod\.toml:6 .*Cannot read wrong/);
  folder.write("isopod.toml", TOML.replace("/hello/", "/moved/"));
  await dev.reloadedTo('"hello you"', () => dev.text("/moved/x"));
});

test("what is broken from the start is served once it is mended; new folders are seen", async () => {
  using folder = new ProjectFolder({ "isopod.toml": TOML, "hello.ts": HELLO });
  await using dev = new DevProcess(folder.path);
  const broken = await dev.event("broken");
  expect(broken).toMatchObject({ serves_old: false });
  expect(broken.message).toContain("./lib/greeting.ts");
  folder.write("lib/greeting.ts", files["lib/greeting.ts"]);
  await dev.event("ready");
  expect(await dev.text("/hello/x")).toBe('"hello you"');
  folder.write("lib/greeting.ts", 'export const greeting = "bye ";\n');
  await dev.reloadedTo('"bye you"', () => dev.text("/hello/x"));
});

test("logs are shown as they come, errors with their place in the source", async () => {
  using folder = new ProjectFolder(files);
  await using dev = new DevProcess(folder.path);
  await dev.event("ready");
  await dev.text("/hello/loud");
  const said = await dev.event("log", ({ record }) => record.kind === "line");
  expect(said.record).toMatchObject({ level: "warn", text: "that was loud" });
  expect(await dev.text("/hello/wrong")).toContain("uncaught_exception");
  const error = await dev.event("log", ({ record }) => record.kind === "error");
  expect(error).toMatchObject({ file: join(folder.path, "hello.ts"), line: 4 });
});

test("a single file answers everywhere, and a folder of apps below their names", async () => {
  using folder = new ProjectFolder({
    "one.ts": "export default (request: Request) => new URL(request.url).pathname;",
    "apps/first/index.ts": 'export default () => "first";',
    "apps/second/main.js": 'export default () => "second";',
  });
  {
    await using dev = new DevProcess(join(folder.path, "one.ts"));
    await dev.event("ready");
    expect(await dev.text("/any/where")).toBe('"/any/where"');
  }
  await using dev = new DevProcess(join(folder.path, "apps"));
  await dev.event("ready");
  expect(await dev.text("/apps/first")).toBe('"first"');
  expect(await dev.text("/apps/second/x")).toBe('"second"');
});

test("secrets come from the environment by their names, else from .env; its data is the folder's own", async () => {
  const bindings = '[functions.bindings]\nA = { type = "secret", name = "first" }\nB = { type = "secret" }\n';
  using folder = new ProjectFolder({
    "isopod.toml": TOML + bindings,
    "hello.ts": 'export default (_: Request, { A, B }: Record<string, string>) => A + " " + B;',
    ".env": "first=from-file\nB=from-file-too\n",
  });
  await using dev = new DevProcess(folder.path, { first: "from-environment" });
  await dev.event("ready");
  expect(await dev.text("/hello/x")).toBe('"from-environment from-file-too"');
  expect(existsSync(join(folder.path, ".isopod", "data", "admin-token"))).toBe(true);
  expect(await Bun.file(join(folder.path, ".isopod", ".gitignore")).text()).toBe("*\n");
});

test("what cannot be served is told at once", async () => {
  using folder = new ProjectFolder({ "readme.md": "" });
  const child = startIsopod(["dev", join(folder.path, "readme.md")]);
  expect(await child.exited).toBe(2);
  expect(await new Response(child.stderr).text()).toContain("expected TypeScript, JavaScript or an isopod.toml");
  using served = new ProjectFolder(files);
  const bare = startIsopod(["dev", served.path], { env: { PATH: "/nowhere" } });
  expect(await bare.exited).toBe(1);
  expect(await new Response(bare.stderr).text()).toContain("bubblewrap is not installed");
});

test("a folder that cannot be written, and an address that is none, are told at once", async () => {
  using folder = new ProjectFolder({ "index.ts": "export default () => 1;", ".isopod": "a file" });
  const taken = await isopod(["dev", folder.path]);
  expect([taken.code, taken.stderr]).toEqual([2, expect.stringMatching(/^isopod: Cannot write to .*\.isopod: /)]);
  using other = new ProjectFolder({ "index.ts": "export default () => 1;" });
  for (const [address, expected] of [
    ["8080", "expected a host and a port"],
    ["0.0.0.0:0", "others can reach"],
  ] as const) {
    const { code, stderr } = await isopod(["dev", other.path, "--listen", address]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(expected)]);
  }
});

test("a folder with nothing in it says what would be an app", async () => {
  using folder = new ProjectFolder({});
  await using dev = new DevProcess(folder.path);
  expect((await dev.event("note")).text).toContain("`isopod init` writes a function");
});

test("a folder with a bootstrap is a program, which is loaded anew when a file of it changes", async () => {
  const answers = (said: string) => `#!/bin/sh
while read -r event; do printf '{"said":"%s","file":"%s"}\\n' "${said}" "$(cat lib/said.txt)"; done
`;
  const toml = '[[functions]]\nname = "program"\npath = "."\ndialect = "stdio"\nroutes = ["ANY /*"]\n';
  using folder = new ProjectFolder({ bootstrap: answers("one"), "lib/said.txt": "two", "isopod.toml": toml });
  chmodSync(join(folder.path, "bootstrap"), 0o755);
  await using dev = new DevProcess(folder.path);
  await dev.event("ready");
  expect(JSON.parse(await dev.text("/x"))).toEqual({ said: "one", file: "two" });
  const says = async () => JSON.parse(await dev.text("/x"));
  folder.write("lib/said.txt", "three");
  await dev.reloadedTo({ said: "one", file: "three" }, says);
  folder.write("bootstrap", "#!/nowhere/to/be/found\n");
  const { message, serves_old: servesOld } = await dev.event("broken");
  expect(message).toContain('Cannot load function "program"');
  expect(servesOld).toBe(true);
  expect(JSON.parse(await dev.text("/x"))).toEqual({ said: "one", file: "three" });
  folder.write("bootstrap", answers("four"));
  await dev.reloadedTo({ said: "four", file: "three" }, says);
});

test.each(["bootstrap", "tool"])("%s needs no isopod.toml", async (name) => {
  const api = `#!/usr/bin/python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    event = api.getresponse()
    event.read()
    api.request("POST", "/2018-06-01/runtime/invocation/" + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", '"hello"')
    api.getresponse().read()
`;
  using folder = new ProjectFolder({ [name]: api });
  chmodSync(join(folder.path, name), 0o755);
  await using dev = new DevProcess(name === "bootstrap" ? folder.path : join(folder.path, name));
  await dev.event("ready");
  expect(await dev.text("/any/where")).toBe('"hello"');
});
