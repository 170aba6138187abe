/** What goes wrong in a page or in a browser costs its own function one request, and the others nothing but time. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { noChromium, startPages } from "../../testing/browser_rig.ts";
import { descendants, goneAfter } from "../../testing/children.ts";
import { errorOf } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** Faults one after the other, 1000 for the whole of what the engine is held to. */
const FAULTS = Number(process.env["ISOPOD_BROWSER_FAULTS"] ?? 12);

const CODE = `
const forever: Record<string, () => unknown> = {
  plain: () => { for (;;); },
  microtasks: () => { const next = (): unknown => Promise.resolve().then(next); return next(); },
  caught: () => { for (;;) { try { for (;;); } catch {} } },
  timers: () => { setInterval(() => { for (;;); }, 0); return new Promise(() => {}); },
  worker: () => { new Worker(URL.createObjectURL(new Blob(["for (;;);"]))); return new Promise(() => {}); },
  pattern: () => /^(a+)+$/.test("a".repeat(60) + "b"),
  heap: () => { const held: unknown[] = []; for (;;) held.push({ a: [held.length, "x" + held.length] }); },
  buffers: () => { const held: Uint8Array[] = []; for (;;) held.push(new Uint8Array(16 << 20).fill(1)); },
  canvas: () => { const held: unknown[] = []; for (;;) { const c = document.createElement("canvas"); c.width = c.height = 4096; const g = c.getContext("2d")!; g.fillRect(0, 0, 4096, 4096); held.push(g.getImageData(0, 0, 4096, 4096)); } },
  dialog: () => { alert("a"); confirm("b"); prompt("c"); return new Response("answered"); },
  away: () => { location.href = "about:blank"; return new Promise(() => {}); },
  reload: () => { location.reload(); return new Promise(() => {}); },
  popups: () => { for (let n = 0; n < 20; n += 1) open("/", "_blank"); return new Response("answered"); },
  close: () => { window.close(); return new Response("answered"); },
  document: () => { document.open(); document.write("<p>new</p>"); document.close(); return new Response("answered"); },
};
export default (request: Request) => {
  const what = new URL(request.url).pathname.split("/").pop()!;
  return forever[what]?.() ?? new Response("calm");
};`;

/** Draws with a shader that never ends, and answers at once. */
const SHADER = `export default async () => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1024;
  const gl = canvas.getContext("webgl2")!;
  const program = gl.createProgram()!;
  const add = (type: number, source: string) => {
    const shader = gl.createShader(type)!;
    gl.shaderSource(shader, "#version 300 es\\n" + source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  };
  add(gl.VERTEX_SHADER, "void main() { vec2 v[3] = vec2[3](vec2(-1, -1), vec2(3, -1), vec2(-1, 3)); gl_Position = vec4(v[gl_VertexID], 0, 1); }");
  add(gl.FRAGMENT_SHADER, "precision highp float; uniform float n; out vec4 o; void main() { float a = 0.; for (float i = 0.; i < 1e9; i += n) { a += sin(i * gl_FragCoord.x); } o = vec4(a); }");
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.uniform1f(gl.getUniformLocation(program, "n"), 1);
  for (let count = 0; count < 50; count += 1) gl.drawArrays(gl.TRIANGLES, 0, 3);
  gl.flush();
  (globalThis as any).kept = [gl, canvas, program];
  await new Promise((resolve) => setTimeout(resolve, 300));
  gl.flush();
  return new Response("sent");
}`;

// Time enough for a page to be made on a busy machine: a loop ends by its processor time.
const LIMITS = "limits = { wall_ms = 5000, cpu_ms = 300, memory_mb = 200 }\ninstances = 1";

describe.skipIf(noChromium)("a fault in a page", () => {
  let server: TestServer;
  let before: ReadonlySet<number>;
  const waits: number[] = [];
  let watching = true;
  let watcher: Promise<void>;
  beforeAll(async () => {
    before = new Set(descendants());
    server = await startPages({
      bad: { code: CODE, config: LIMITS },
      patient: {
        code: CODE,
        config: LIMITS.replace("cpu_ms = 300", "cpu_ms = 60000").replace("wall_ms = 5000", "wall_ms = 20000"),
      },
      draws: { code: SHADER, config: "instances = 1" },
      pictures: {
        code: `export default async (_: Request, env: any) => {
          const png = await env.PAGE.screenshot({ html: "<h1>text</h1>" });
          const gl = new OffscreenCanvas(1, 1).getContext("webgl2")!;
          gl.clearColor(1, 0, 0, 1);
          gl.clear(gl.COLOR_BUFFER_BIT);
          const pixel = new Uint8Array(4);
          gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
          return Response.json([png.length > 100, ...pixel]);
        }`,
        config: "instances = 1\nlimits = { wall_ms = 40000 }",
      },
      good: { code: "export default () => new Response('well')", config: "instances = 1" },
    });
    await Promise.all(["bad", "good", "patient"].map((name) => fetch(`${server.url}/${name}`)));
    // A neighbour that is asked all the time.
    watcher = (async () => {
      while (watching) {
        const at = performance.now();
        const answer = await fetch(`${server.url}/good`);
        if (answer.status !== 200) waits.push(Number.POSITIVE_INFINITY);
        else waits.push(performance.now() - at);
        await answer.text();
      }
    })();
  }, 60_000);
  afterAll(async () => {
    watching = false;
    await watcher;
    waits.sort((a, b) => a - b);
    const [p50, p99, max] = [0.5, 0.99, 1].map((share) => waits[Math.floor((waits.length - 1) * share)]?.toFixed(1));
    console.log(`A neighbour during the faults: ${waits.length} requests, p50 ${p50}, p99 ${p99}, max ${max} ms`);
    await server?.[Symbol.asyncDispose]();
    await goneAfter(
      descendants().filter((pid) => !before.has(pid)),
      5000,
    );
  }, 30_000);
  const get = (path: string) => fetch(`${server.url}${path}`);

  /** Until the function answers again, in milliseconds. */
  async function backAfter(path = "/bad/calm"): Promise<number> {
    const at = performance.now();
    for (;;) {
      const answer = await get(path);
      const text = await answer.text();
      if (answer.status === 200 && text === "calm") return performance.now() - at;
      if (performance.now() - at > 20_000) throw new Error(`Not back after 20 s: ${answer.status} ${text}`);
    }
  }
  afterEach(() => expect(waits).not.toContain(Number.POSITIVE_INFINITY));

  for (const kind of ["plain", "microtasks", "caught", "pattern", "timers", "worker"]) {
    test(`a loop (${kind}) ends at its limit`, async () => {
      const { code } = await errorOf(await get(`/bad/${kind}`));
      expect(["wall_limit", "cpu_limit"]).toContain(code);
      const ms = await backAfter();
      console.log(`Back after ${kind}: ${ms.toFixed(0)} ms`);
    }, 30_000);
  }

  for (const kind of ["heap", "buffers", "canvas"]) {
    test(`a bomb (${kind}) ends at the limit of memory`, async () => {
      const answer = await get(`/patient/${kind}`);
      const { code, message } = await errorOf(answer);
      if (code !== "memory_limit") console.log(message);
      expect([kind, code]).toEqual([kind, "memory_limit"]);
      const ms = await backAfter("/patient/calm");
      console.log(`Back after ${kind}: ${ms.toFixed(0)} ms`);
    }, 60_000);
  }

  test("a shader that never ends holds what others draw up for seconds, and not for ever", async () => {
    const drawn = [true, 255, 0, 0, 255];
    expect(await (await get("/pictures")).json()).toEqual(drawn);
    expect(await (await get("/draws")).text()).toBe("sent");
    const at = performance.now();
    // One that waits may lose its own context with the process; the next has another.
    await (await get("/pictures")).text();
    expect(await (await get("/pictures")).json()).toEqual(drawn);
    console.log(`A neighbour draws again after ${(performance.now() - at).toFixed(0)} ms`);
  }, 60_000);

  test("dialogs are answered, and pop-ups are closed", async () => {
    expect(await (await get("/patient/dialog")).text()).toBe("answered");
    expect(await (await get("/patient/popups")).text()).toBe("answered");
    await backAfter();
  }, 30_000);

  test("a page that leads itself away is lost, and there is another", async () => {
    for (const kind of ["away", "reload"]) {
      const { code, message } = await errorOf(await get(`/bad/${kind}`));
      if (code === "program_ended") expect(message).toContain("page");
      else expect(code).toBe("wall_limit");
      await backAfter();
    }
    for (const kind of ["close", "document"]) {
      await get(`/bad/${kind}`);
      await backAfter();
    }
  }, 30_000);

  test(
    `after ${FAULTS} faults one after the other nothing is left over`,
    async () => {
      const kinds = ["plain", "away", "timers", "worker", "reload", "close"];
      await backAfter();
      const many = () => descendants().filter((pid) => !before.has(pid)).length;
      const processes = many();
      for (let at = 0; at < FAULTS; at += 1) {
        await (await get(`/bad/${kinds[at % kinds.length]}`)).text();
        await backAfter();
      }
      const until = performance.now() + 10_000;
      // Some are being made for the stock, or are on their way out.
      while (many() > processes + 2 && performance.now() < until) await (await get("/good")).text();
      expect(many()).toBeLessThanOrEqual(processes + 2);
    },
    60_000 + FAULTS * 3000,
  );
});

describe.skipIf(noChromium)("pages that begin at the same time", () => {
  test("are watched from their first line on, each by its own process", async () => {
    const config = "limits = { wall_ms = 30000, cpu_ms = 300 }\ninstances = 1";
    const code = "for (;;); export default () => new Response('never');";
    const names = ["one", "two", "three", "four", "five", "six"];
    await using server = await startPages(Object.fromEntries(names.map((name) => [name, { code, config }])));
    const codes = names.map(async (name) => (await errorOf(await fetch(`${server.url}/${name}`))).code);
    expect(await Promise.all(codes)).toEqual(names.map(() => "cpu_limit"));
  }, 60_000);
});

describe.skipIf(noChromium)("a process of the browser that is killed", () => {
  let server: TestServer;
  const WEBGL = `export default () => {
  const gl = document.createElement("canvas").getContext("webgl2");
  return new Response(gl === null ? "none" : "calm");
};`;
  let before: ReadonlySet<number>;
  beforeAll(async () => {
    before = new Set(descendants());
    server = await startPages({
      one: { code: WEBGL, config: "instances = 1" },
      two: { code: CODE, config: "instances = 1" },
    });
    await Promise.all(["one", "two"].map((name) => fetch(`${server.url}/${name}`)));
  }, 60_000);
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await goneAfter(
      descendants().filter((pid) => !before.has(pid)),
      5000,
    );
  }, 30_000);

  /** Processes of the browser by what their command line says; the browser itself has no type. */
  function processes(type: string): number[] {
    return descendants().filter((pid) => {
      if (before.has(pid)) return false;
      const words = commandLine(pid);
      const isChromium = words.some((word) => /chromium|chrome/.test(word)) && words.includes("--headless");
      if (type === "browser") return isChromium && !words.some((word) => word.startsWith("--type="));
      return words.some((word) => word === `--type=${type}` || word === `--utility-sub-type=${type}`);
    });
  }

  async function backAfter(name: string): Promise<number> {
    const at = performance.now();
    for (;;) {
      const answer = await fetch(`${server.url}/${name}`);
      if ((await answer.text()) === "calm") return performance.now() - at;
      if (performance.now() - at > 20_000) throw new Error(`Not back after 20 s: ${answer.status}`);
    }
  }

  for (const type of ["renderer", "gpu-process", "network.mojom.NetworkService", "browser"]) {
    test(`is made up for: ${type}`, async () => {
      await Promise.all(["one", "two"].map(backAfter));
      const found = processes(type);
      expect(found).not.toEqual([]);
      for (const pid of found) process.kill(pid, "SIGKILL");
      const [one, two] = await Promise.all(["one", "two"].map(backAfter));
      console.log(`Back after ${type} was killed: ${one?.toFixed(0)} and ${two?.toFixed(0)} ms`);
      expect(processes("browser").length).toBe(1);
    }, 60_000);
  }
});

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split(/[\0 ]/);
  } catch {
    return [];
  }
}
