/** `env.PAGE`: what pictures and PDFs are of, and what is refused. And `/run` in a page, in each way to ask for it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { noChromium, startPages } from "../../testing/browser_rig.ts";
import { readPdf } from "../../testing/pdf.ts";
import { readPng } from "../../testing/png.ts";
import type { TestServer } from "../../testing/server.ts";

const CODE = `
document.body.style.margin = "0";
export default async (request: Request, env: any) => {
  const { kind, body, ...options } = await request.json();
  if (options.fill) options.html = "x".repeat(options.fill);
  if (body !== undefined) document.body.innerHTML = body;
  try {
    return new Response(await env.PAGE[kind](options));
  } catch (error) {
    return new Response(error.message, { status: 400 });
  }
};`;
const RED = '<div id="red" style="width:40px;height:20px;background:#f00"></div>';
const GREEN = '<body style="margin:0"><div style="width:60px;height:3000px;background:#0f0"></div>';

const TALL = '<body style="margin:0"><div style="height:9in">tall</div>';

const SHAPE = `export default async (request: Request, env: any) => {
  const frames = async () => {
    for (let at = 0; at < 3; at += 1) await new Promise(requestAnimationFrame);
    return [innerWidth, innerHeight, devicePixelRatio, document.visibilityState];
  };
  const before = await frames();
  await env.PAGE.screenshot({ viewport: { width: 90, height: 70, deviceScaleFactor: 3 } });
  return Response.json([before, await frames()]);
};`;

describe.skipIf(noChromium)("what a page can have of its browser", () => {
  let server: TestServer;
  beforeAll(async () => {
    const files = {
      "dot.svg":
        '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10" fill="#00f"/></svg>',
    };
    server = await startPages({ page: { code: CODE, files }, shape: SHAPE });
    await ask({ kind: "screenshot" });
  }, 60_000);
  afterAll(() => server?.[Symbol.asyncDispose]());
  const ask = (options: object) => fetch(`${server.url}/page`, { method: "POST", body: JSON.stringify(options) });
  const picture = async (options: object) => readPng(await (await ask({ kind: "screenshot", ...options })).bytes());

  test("a picture of the page as it is, of a part of it, in another size, and of HTML", async () => {
    const own = await picture({ body: RED });
    expect([own.width, own.height, own.at(5, 5), own.at(45, 5)]).toEqual([
      800,
      600,
      [255, 0, 0, 255],
      [255, 255, 255, 255],
    ]);
    const part = await picture({ selector: "#red" });
    expect([part.width, part.height]).toEqual([40, 20]);
    const sized = await picture({ viewport: { width: 100, height: 50, deviceScaleFactor: 2 } });
    expect([sized.width, sized.height]).toEqual([200, 100]);
    expect((await picture({})).width).toBe(800);
    const clear = await picture({ transparent: true });
    expect(clear.at(45, 5)[3]).toBe(0);
    const shown = await picture({ html: `${GREEN}<img src="/dot.svg" style="position:absolute;left:70px;top:0">` });
    expect([shown.width, shown.at(5, 5), shown.at(75, 5)]).toEqual([800, [0, 255, 0, 255], [0, 0, 255, 255]]);
    const full = await picture({ html: GREEN, fullPage: true, viewport: { width: 80, height: 50 } });
    expect([full.width, full.height]).toEqual([80, 3000]);
    const jpeg = await (await ask({ kind: "screenshot", type: "jpeg", quality: 50 })).bytes();
    expect([...jpeg.subarray(0, 3)]).toEqual([0xff, 0xd8, 0xff]);
  }, 60_000);

  test("each has the size that it asked for, also when many ask at once, and none is larger than can be drawn", async () => {
    const widths = Array.from({ length: 12 }, (_, at) => [300, 500, 700][at % 3] as number);
    const pictures = await Promise.all(widths.map((width) => picture({ viewport: { width, height: 200 } })));
    expect(pictures.map(({ width }) => width)).toEqual(widths);
    const large = [
      { viewport: { width: 12_000, height: 12_000 } },
      { html: GREEN, viewport: { width: 3000, height: 3000, deviceScaleFactor: 2 } },
      { html: '<div style="width:9000px;height:9000px"></div>', fullPage: true },
      { html: '<div id="red" style="width:9000px;height:9000px"></div>', selector: "#red" },
    ];
    for (const options of large) {
      const refused = await ask({ kind: "screenshot", ...options });
      expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("the most is 32000000")]);
    }
    expect(await (await ask({ kind: "screenshot", viewport: { width: 1.5, height: 2 } })).text()).toContain(
      '"viewport.width" is 1.5, expected a whole number above 0',
    );
  }, 60_000);

  test("a page is there in 800 by 600, visible, and drawn on and on, also after a picture in another size", async () => {
    const shape = [800, 600, 1, "visible"];
    expect(await (await fetch(`${server.url}/shape`)).json()).toEqual([shape, shape]);
  }, 60_000);

  test("a PDF of the page, and of HTML of several pages", async () => {
    const own = readPdf(
      await (await ask({ kind: "pdf", body: "<p>Of the page itself</p>", format: "Letter" })).bytes(),
    );
    expect([own.pages, own.width, own.height]).toEqual([1, 612, 792]);
    expect(own.texts.join("")).toContain("itself");
    const html = "<p>one</p><p style='break-before: page'>two</p><p style='break-before: page'>three</p>";
    const many = readPdf(await (await ask({ kind: "pdf", html, landscape: true })).bytes());
    expect(many.pages).toBe(3);
    expect(many.width).toBeGreaterThan(many.height);
    expect(readPdf(await (await ask({ kind: "pdf", html, pageRanges: "2" })).bytes()).pages).toBe(1);
  }, 60_000);

  test("lengths are numbers of inches, or texts with their unit", async () => {
    const pdf = async (options: object) => readPdf(await (await ask({ kind: "pdf", html: TALL, ...options })).bytes());
    const sized = await pdf({ width: "21cm", height: "297mm" });
    // Chromium makes whole pixels of them.
    expect([Math.abs(sized.width - 595), Math.abs(sized.height - 842)].every((off) => off <= 1)).toBeTrue();
    const mixed = await pdf({ width: "192px", height: "10 in" });
    expect([Math.round(mixed.width), Math.round(mixed.height)]).toEqual([144, 720]);
    // Nine inches fit between margins of 0.4 on Letter, and not between these.
    const pages = async (margin?: unknown) => (await pdf({ format: "Letter", margin })).pages;
    expect(await Promise.all([pages(), pages(0), pages({ top: 1 })])).toEqual([1, 1, 1]);
    const many = [await pages("4cm"), await pages(1.5), await pages({ top: "5cm" }), await pages({ bottom: 2 })];
    expect(many).toEqual([2, 2, 2, 2]);
  }, 60_000);

  test("an option that is not known, or is not what it must be, is named with what was expected", async () => {
    const length = 'a number of inches, or a text such as "2cm" with in, cm, mm or px';
    for (const [options, why] of [
      [{ kind: "pdf", formt: "A4" }, 'Cannot print: the option "formt" is not known, expected html, format, landscape'],
      [{ kind: "screenshot", fullpage: true }, 'Cannot take a picture: the option "fullpage" is not known, expected'],
      [{ kind: "screenshot", type: "jpeg", quality: 500 }, '"quality" is 500, expected a number from 0 to 100'],
      [{ kind: "screenshot", quality: 50 }, '"quality" is 50, expected none for a PNG'],
      [{ kind: "screenshot", type: "gif" }, '"type" is "gif", expected one of png, jpeg, webp'],
      [
        { kind: "screenshot", viewport: { width: 5, hight: 5 } },
        '"viewport.hight" is not known, expected width, height',
      ],
      [{ kind: "screenshot", viewport: { width: 5 } }, '"viewport.height" is missing, expected a whole number above 0'],
      [{ kind: "screenshot", viewport: "5x5" }, '"viewport" is "5x5", expected an object with width, height'],
      [{ kind: "pdf", format: "A0" }, '"format" is "A0", expected one of letter, legal'],
      [{ kind: "pdf", scale: 7 }, '"scale" is 7, expected a number from 0.1 to 2'],
      [{ kind: "pdf", width: "21" }, `"width" is "21", expected ${length}, above 0`],
      [{ kind: "pdf", height: 0 }, `"height" is 0, expected ${length}, above 0`],
      [{ kind: "pdf", margin: "2em" }, `"margin" is "2em", expected ${length}, 0 or more, or one for each of top`],
      [{ kind: "pdf", margin: { top: -1 } }, `"margin.top" is -1, expected ${length}, 0 or more`],
      [{ kind: "pdf", margin: { upper: 1 } }, '"margin.upper" is not known, expected top, right, bottom, left'],
      [{ kind: "pdf", landscape: "yes" }, '"landscape" is "yes", expected true or false'],
      [{ kind: "pdf", html: null }, '"html" is null, expected a text'],
    ] as const) {
      const answer = await ask(options);
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(why)]);
    }
  }, 60_000);

  test("what cannot be had says why", async () => {
    for (const [options, why] of [
      [{ kind: "screenshot", selector: "#nowhere" }, 'nothing is at "#nowhere"'],
      [{ kind: "screenshot", selector: "[[" }, "nothing is at"],
      [{ kind: "pdf", pageRanges: "7-9" }, "page"],
      [{ kind: "screenshot", fill: 17 << 20 }, "larger"],
    ] as const) {
      const answer = await ask(options);
      expect(answer.status).toBe(400);
      expect((await answer.text()).toLowerCase()).toContain(why.toLowerCase());
    }
    // Scripts of what is shown have an end, and so has the picture.
    const many = await Promise.all(Array.from({ length: 8 }, () => ask({ kind: "screenshot", html: GREEN })));
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([200]));
  }, 60_000);

  test("what is shown and never ends is told so, and the page goes on", async () => {
    await using own = await startPages({ page: { code: CODE, config: "limits = { wall_ms = 40000 }" } });
    const show = (kind: string, html: string) =>
      fetch(`${own.url}/page`, { method: "POST", body: JSON.stringify({ kind, html }) });
    const [burns, waits] = await Promise.all([
      show("screenshot", "<script>for (;;) {}</script>"),
      show(
        "pdf",
        '<script>Object.defineProperty(document, "fonts", { value: { ready: new Promise(() => {}) } })</script>',
      ),
    ]);
    expect([burns.status, await burns.text()]).toEqual([400, expect.stringMatching(/is gone|longer than/)]);
    expect([waits.status, await waits.text()]).toEqual([400, expect.stringMatching(/did not answer|longer than/)]);
    expect(readPng(await (await show("screenshot", RED)).bytes()).width).toBe(800);
  }, 60_000);

  test("a program of /run in a page: asked for by query, header or envelope", async () => {
    const code = "export default (request: Request) => Response.json([location.href, new URL(request.url).search])";
    const page = ["http://run.localhost/", "?a=1"];
    const query = await fetch(`${server.url}/run?a=1&engine=browser`, { method: "POST", body: code });
    expect(await query.json()).toEqual(page);
    const header = await fetch(`${server.url}/run?a=1`, {
      method: "POST",
      body: code,
      headers: { "isopod-engine": "browser" },
    });
    expect(await header.json()).toEqual(page);
    const envelope = (more: object) =>
      fetch(`${server.url}/run?a=1`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ code, ...more }),
      });
    expect(await (await envelope({ engine: "browser" })).json()).toEqual(page);
    expect((await envelope({ engine: "process" })).status).toBe(400);
    const typed =
      "export default async (r: Request, env: Record<string, string>, ctx: any) => [env.A, ctx.args, await r.text()]";
    expect(
      await (await envelope({ engine: "browser", code: typed, env: { A: "b" }, args: [1], input: "in" })).json(),
    ).toEqual(["b", [1], "in"]);
  }, 60_000);

  test("a program of /run that fails says what it failed of, and where", async () => {
    const run = async (code: string) => {
      const answer = await server.run(code, { headers: { "isopod-engine": "browser" } });
      return [answer.status, ((await answer.json()) as { error: Record<string, unknown> }).error] as const;
    };
    const [status, thrown] = await run("const fine = 1;\nexport default () => { throw new RangeError('too far') }");
    expect([status, thrown]).toMatchObject([
      500,
      { code: "uncaught_exception", message: "RangeError: too far (program.ts:2:30)", line: 2 },
    ]);
    expect((await run("throw new Error('at the top')"))[1]).toMatchObject({
      message: "Error: at the top (program.ts:1:7)",
    });
    expect((await run("export default 5"))[1]["message"]).toContain("expected a function");
    expect((await run("export const a = 1"))[1]["message"]).toContain("export default is missing");
    expect((await run("export default ("))[1]).toMatchObject({ code: "syntax_error" });
    expect((await run("import fs from 'node:fs'; export default () => fs"))[1]).toMatchObject({
      code: "unresolved_import",
      message:
        'Cannot resolve import "node:fs" of program.ts: modules of Node and of Bun are not there in a page, which has the Web\'s APIs',
    });
  }, 60_000);

  test("a page that imports a module of Node is told that there is none, and of a package how it is installed", async () => {
    const why = (imported: string) =>
      startPages({ page: `import it from "${imported}"; export default () => new Response(String(it));` }).then(
        async (own) => await own[Symbol.asyncDispose](),
        (error: Error) => error.message,
      );
    for (const name of ["node:fs", "bun"]) {
      expect(await why(name)).toMatch(
        new RegExp(`"${name}" of \\S+: modules of Node and of Bun are not there in a page`),
      );
    }
    expect(await why("ws")).toContain("by npm install or bun add");
  }, 60_000);
});
