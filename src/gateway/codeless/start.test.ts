/** What only a server in a process of its own shows: that it refuses to start, and what its log says of a run. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "../../cli/main.ts");

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "isopod-test-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Starts a server with `config`; the test ends it. */
function serve(config: string): Bun.Subprocess<"ignore", "ignore", "pipe"> {
  const file = join(directory, "isopod.toml");
  writeFileSync(file, config);
  return Bun.spawn([process.execPath, MAIN, "serve", "--config", file, "--data", join(directory, "data")], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, ISOPOD_LOG: "info" },
  });
}

/** Reads a stream line by line until `wanted` says so; the lines so far, that one included. */
function lineReader(stream: ReadableStream<Uint8Array>): (wanted: (line: string) => boolean) => Promise<string[]> {
  const chunks = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  return async (wanted) => {
    const lines: string[] = [];
    for (;;) {
      for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        lines.push(line);
        if (wanted(line)) return lines;
      }
      const { value, done } = await chunks.read();
      if (done) throw new Error(`Cannot find the line: the log has ended with ${lines.slice(-3).join("\n")}`);
      rest += decoder.decode(value, { stream: true });
    }
  };
}

test("on an address that others reach, the server refuses to start until anonymous has a plan", async () => {
  for (const listen of ["0.0.0.0:0", "[::]:0"]) {
    for (const plan of ["", "[plans.anonymous]\nwall_ms = 100\n", '[plans.paid]\nrun = "any"\n']) {
      const server = serve(`listen_address = "${listen}"\nadmin_address = "127.0.0.1:0"\n${plan}`);
      const said = await new Response(server.stderr).text();
      expect([listen, plan, await server.exited]).toEqual([listen, plan, 2]);
      expect(said).toContain("[plans.anonymous]");
      expect(said).toContain("isopod.toml");
    }
  }
});

test("with a plan for anonymous it starts there, answers every Host, and its log says why a stream was cut off", async () => {
  const server = serve(
    'listen_address = "0.0.0.0:0"\nadmin_address = "127.0.0.1:0"\n[pool]\nprewarmed = 1\n[plans.anonymous]\nrun = "any"\n',
  );
  try {
    const readUntil = lineReader(server.stderr);
    const [ready = ""] = (await readUntil((line) => line.includes('"listen":'))).slice(-1);
    const url = /"listen":"([^"]+)"/.exec(ready)?.[1]?.replace("0.0.0.0", "127.0.0.1");
    const response = await fetch(`${url}/run`, {
      method: "POST",
      headers: { host: "any.example" },
      body: "console.log('begun'); console.error('a line of the program'); await Bun.sleep(20); throw new Error('the reason')",
    });
    const id = response.headers.get("isopod-request-id") as string;
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    const about = (await readUntil((line) => line.includes("the reason"))).filter((line) => line.includes(id));
    expect(about.some((line) => line.includes("a line of the program"))).toBe(true);
    expect(about.some((line) => line.includes("the reason") && line.includes("uncaught_exception"))).toBe(true);
  } finally {
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  }
});
