/** What a program has as its root: a folder of somebody's own, links within its code, single files. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { askLogs } from "../../testing/log_client.ts";
import { errorOf, startProcesses } from "../../testing/process_rig.ts";
import { startTestServer, type TestServer } from "../../testing/server.ts";
import { settled } from "../../testing/websocket_client.ts";
import { makeZip } from "../../testing/zip_maker.ts";

const BASH = `
while read -r line; do
  if [ -e /usr ]; then usr=yes; else usr=no; fi
  printf '{"mark":"%s","usr":"%s","task":"%s"}\\n' "$(</own-mark)" "$usr" "$PWD"
done
`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "isopod-root-"));
  chmodSync(folder, 0o755);
  layOwnRoot(join(folder, "root"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A root with a shell and the libraries that it and the guest are linked against, and nothing else. */
function layOwnRoot(root: string): void {
  const shell = Bun.which("bash") as string;
  const linked = [shell, process.execPath].flatMap((program) => {
    const text = Bun.spawnSync(["ldd", program], { env: { LC_ALL: "C" } }).stdout.toString();
    return [...text.matchAll(/(?:=>\s+|^\s*)(\/\S+)\s+\(0x/gm)].map((match) => match[1] as string);
  });
  for (const path of new Set([...linked, "/bin/bash"])) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(path === "/bin/bash" ? shell : path, join(root, path));
    chmodSync(join(root, path), 0o755);
  }
  mkdirSync(join(root, "var/lib"), { recursive: true });
  writeFileSync(join(root, "own-mark"), "own");
}

test("a folder takes the place of the machine's programs", async () => {
  const config = `command = "/bin/bash main.sh"\ndialect = "stdio"\nevent = "json"\nroot = "${join(folder, "root")}"`;
  await using server: TestServer = await startProcesses({ own: { code: "", config, files: { "main.sh": BASH } } });
  const answer = await fetch(`${server.url}/own`);
  expect(await answer.json()).toEqual({ mark: "own", usr: "no", task: "/var/task" });
});

test("a folder on which the guest cannot run is refused, and the log says why", async () => {
  mkdirSync(join(folder, "empty"));
  const config = `command = "x"\nroot = "${join(folder, "empty")}"`;
  await using server = await startProcesses({ bare: { code: "", config } });
  expect((await fetch(`${server.url}/bare`)).status).toBe(503);
});

test("one file is a program", async () => {
  const script =
    "#!/usr/bin/python3\nimport json, sys\nfor line in sys.stdin: print(json.dumps(sys.argv), flush=True)\n";
  const table = `[[functions]]\nname = "single"\nengine = "process"\npath = "single/run.py"\ndialect = "stdio"\n`;
  await using server = await startTestServer({
    files: { "single/run.py": script },
    config: `${table}routes = ["ANY /single"]`,
  });
  expect(await (await fetch(`${server.url}/single`)).json()).toEqual(["/var/task/run.py"]);
});

test("links within the code stay, names with a dot and configurations do not come along", async () => {
  const code = join(folder, "code");
  mkdirSync(code);
  const main =
    "import json, os, sys\nfor line in sys.stdin: print(json.dumps([open('link').read(), sorted(os.listdir('.'))]), flush=True)";
  const files = { "main.py": main, ".secret": "no", "isopod.toml": "no", "real.txt": "real" };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(code, name), text);
  symlinkSync("real.txt", join(code, "link"));
  const table = `[[functions]]\nname = "code"\npath = "${code}"\ncommand = "python3 main.py"\ndialect = "stdio"\n`;
  await using server = await startTestServer({ config: `${table}routes = ["ANY /code"]` });
  expect(await (await fetch(`${server.url}/code`)).json()).toEqual(["real", ["link", "main.py", "real.txt"]]);
});

test("a link that leads out of the code is refused at the start, with its name", async () => {
  mkdirSync(join(folder, "out"));
  writeFileSync(join(folder, "out/bootstrap"), "#!/bin/sh\n", { mode: 0o755 });
  symlinkSync("/etc/passwd", join(folder, "out/users"));
  const config = `[[functions]]\nname = "out"\npath = "${join(folder, "out")}"`;
  const failed = await startTestServer({ config }).catch((error: Error) => error.message);
  expect(failed).toContain("out/users leads out of its folder (/etc/passwd)");
});

test("an extension may be a link within its layer", async () => {
  const layer = join(folder, "linking");
  mkdirSync(join(layer, "extensions"), { recursive: true });
  mkdirSync(join(layer, "bin"));
  writeFileSync(join(layer, "bin/real"), "#!/bin/sh\nexit 7\n", { mode: 0o755 });
  symlinkSync("../bin/real", join(layer, "extensions/linked"));
  await using server = await startProcesses({
    linking: { code: "import rt\nrt.serve(lambda event: event)", config: `layers = ["${layer}"]` },
  });
  expect((await errorOf(await fetch(`${server.url}/linking`))).code).toBe("program_ended");
  const items = await settled("what became of the extension in the log", async () => {
    const { items } = await askLogs(server, { limit: "100" });
    return items.some(({ kind }) => kind === "line") ? items : undefined;
  });
  expect(items).toContainEqual(expect.objectContaining({ text: 'The extension "linked" ended with 7' }));
});

test("a layer may be a zip archive, and is refused when it leads out of itself", async () => {
  writeFileSync(
    join(folder, "layer.zip"),
    makeZip([{ name: "bin/tool", content: "#!/bin/sh\necho from the layer\n" }]),
  );
  writeFileSync(join(folder, "bad.zip"), makeZip([{ name: "../out", content: "x" }]));
  const code =
    "import json, subprocess, sys\nfor line in sys.stdin: print(json.dumps(subprocess.check_output(['tool'], text=True)), flush=True)";
  const layered = (name: string) => ({
    zipped: { code, config: `command = "python3 main.py"\ndialect = "stdio"\nlayers = ["${join(folder, name)}"]` },
  });
  await using server = await startProcesses(layered("layer.zip"));
  expect(await (await fetch(`${server.url}/zipped`)).json()).toBe("from the layer\n");
  const failed = await startProcesses(layered("bad.zip")).catch((error: Error) => error.message);
  expect(failed).toContain("Could not unzip");
});
