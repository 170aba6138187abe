/** A server that is killed in the middle of deploys: what was answered stands, what was not is there whole or not at all. */
import { expect, test } from "bun:test";
import { ask, deploy, functionPath, saying } from "../../testing/control_client.ts";
import { ServeProcess } from "../../testing/serve_process.ts";

const ROUNDS = 8;
/** A deploy takes some 30 ms; the kills are spread over it, in milliseconds. */
const STEP_MS = 5;

test("killed in the middle of a deploy, a server has after its restart the deploy as a whole or nothing of it", async () => {
  const files = {
    "isopod.toml": 'listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\n[pool]\nprewarmed = 1\n',
  };
  let server = await ServeProcess.start(files);
  try {
    let standing = 0;
    expect((await deploy(server, "f", saying("0"), { routes: ["GET /r0"] })).status).toBe(200);
    for (let round = 1; round <= ROUNDS; round += 1) {
      const delay = Promise.withResolvers<void>();
      setTimeout(delay.resolve, round * STEP_MS);
      const deploying = deploy(server, "f", saying(String(round)), { routes: [`GET /r${round}`] }).then(
        ({ status }) => status,
        () => undefined,
      );
      await delay.promise;
      server.signal("SIGKILL");
      const answered = await deploying;
      await server.exited;
      server = await ServeProcess.start(files, server);
      const seen = new Map<number, string>();
      for (const route of [standing, round]) {
        const response = await fetch(`${server.url}/r${route}`);
        if (response.status === 200) seen.set(route, await response.text());
      }
      const isNew = seen.has(round);
      if (answered === 200) expect([round, isNew]).toEqual([round, true]);
      const now = isNew ? round : standing;
      expect([round, [...seen]]).toEqual([round, [[now, String(now)]]]);
      standing = now;
      const { body } = await ask(server, "GET", functionPath("f"));
      const version = body.aliases["production"]?.targets[0]?.version ?? "";
      expect((await ask(server, "GET", functionPath("f", `/versions/${version}`))).status).toBe(200);
    }
    // Whatever the dead deploys have claimed is in nobody's way.
    const routes = Array.from({ length: ROUNDS + 1 }, (_, route) => `GET /r${route}`);
    expect((await deploy(server, "f", saying("all"), { routes })).status).toBe(200);
    expect(await (await fetch(`${server.url}/r${ROUNDS}`)).text()).toBe("all");
  } finally {
    await server[Symbol.asyncDispose]();
  }
}, 120_000);

test("everything that was deployed is there after a restart, secrets with another key first included", async () => {
  const first = "a".repeat(64);
  const second = "b".repeat(64);
  const files = {
    "isopod.toml":
      'listen_address = "127.0.0.1:0"\nadmin_address = "127.0.0.1:0"\nsecrets_key_file = "./keys"\n[pool]\nprewarmed = 1\n',
    keys: first,
  };
  let server = await ServeProcess.start(files);
  try {
    await ask(server, "PUT", "/v1/projects/default/secrets/S", { value: "kept" });
    const settings = { secrets: [{ binding: "S", name: "S" }] };
    await deploy(server, "f", "export default (r, env) => new Response(env.S);", { routes: ["GET /f"], settings });
    const { key } = (await ask(server, "POST", "/v1/projects/default/keys", { scopes: ["deploy"] })).body;
    const restart = async (keys: string) => {
      server.signal("SIGTERM");
      await server.exited;
      server = await ServeProcess.start({ ...files, keys }, server);
      const response = await fetch(`${server.url}/f`);
      return response.status === 200 ? response.text() : response.status;
    };
    expect(await restart(`${second},${first}`)).toBe("kept");
    const rotated = (await ask(server, "POST", "/v1/secrets/rotate")).body as unknown;
    expect(rotated).toEqual({ rotated: 1, unreadable: 0 });
    expect(await restart(second)).toBe("kept");
    expect((await ask(server, "GET", functionPath("f"), undefined, { authorization: `Bearer ${key}` })).status).toBe(
      200,
    );
    expect(await restart(first)).toBe(500);
    expect((await ask(server, "POST", "/v1/secrets/rotate")).body as unknown).toEqual({ rotated: 0, unreadable: 1 });
  } finally {
    await server[Symbol.asyncDispose]();
  }
}, 60_000);
