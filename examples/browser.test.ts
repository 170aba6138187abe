/** The examples of functions that run in a page, each asked once, and what comes out looked at. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { noChromium } from "../src/testing/browser_rig.ts";
import { readPdf } from "../src/testing/pdf.ts";
import { readPng } from "../src/testing/png.ts";
import { startTestServer, type TestServer } from "../src/testing/server.ts";

const EXAMPLES = join(import.meta.dir, "browser");

describe.skipIf(noChromium)("examples of pages", () => {
  let server: TestServer;
  beforeAll(async () => {
    // As it stands, but for the addresses.
    const text = readFileSync(join(EXAMPLES, "isopod.toml"), "utf8");
    const config = text.replace(/^(listen|admin)_address.*$/gm, "").replaceAll('path = "./', `path = "${EXAMPLES}/`);
    server = await startTestServer({ config: `${config}\n[plans.anonymous]\nrun = "any"\n` });
    await fetch(`${server.url}/webgl`);
  }, 90_000);
  afterAll(() => server?.[Symbol.asyncDispose]());
  const post = async (path: string, body: string, type: string) => {
    const answer = await fetch(`${server.url}${path}`, { method: "POST", body });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, type]);
    return answer;
  };
  const near = (color: readonly number[], wanted: readonly number[]) =>
    expect(color.map((value, at) => Math.abs(value - (wanted[at] ?? 255)) <= 12)).toEqual([true, true, true, true]);

  test("an invoice as a PDF: one page of A4, with its texts", async () => {
    const invoice = { to: "Ada <b>Lovelace", items: [["Analytical engine", 2, 450]] };
    const pdf = readPdf(await (await post("/invoice", JSON.stringify(invoice), "application/pdf")).bytes());
    expect(pdf.pages).toBe(1);
    // The browser rounds the points of a page up.
    expect([595, 596]).toContain(Math.round(pdf.width));
    expect([842, 843]).toContain(Math.round(pdf.height));
    const all = pdf.texts.join("\n");
    for (const text of ["Invoice for", "<b>Lovelace", "Analytical", "900.00"]) expect(all).toContain(text);
  }, 20_000);

  test("a picture of HTML: the colours are where they belong", async () => {
    const html = `<body style="margin:0;background:#fff"><div id="box" style="width:50px;height:30px;margin:10px;background:rgb(200,10,60)">`;
    const whole = readPng(await (await post("/screenshot?width=200&height=100", html, "image/png")).bytes());
    expect([whole.width, whole.height]).toEqual([200, 100]);
    near(whole.at(30, 20), [200, 10, 60]);
    near(whole.at(100, 80), [255, 255, 255]);
    const box = readPng(await (await post("/screenshot?selector=%23box", html, "image/png")).bytes());
    expect([box.width, box.height]).toEqual([50, 30]);
    near(box.at(0, 0), [200, 10, 60]);
    near(box.at(49, 29), [200, 10, 60]);
  }, 20_000);

  test("a chart: the higher value has the higher bar", async () => {
    const chart = readPng(await (await post("/chart", '{"cats": 3, "dogs": 5}', "image/png")).bytes());
    expect([chart.width, chart.height]).toEqual([640, 360]);
    const heightAt = (x: number) => {
      let count = 0;
      for (let y = 0; y < chart.height; y += 1)
        if (chart.at(x, y)[2] > 200 && chart.at(x, y)[3] === 255 && chart.at(x, y)[0] < 100) count += 1;
      return count;
    };
    const [cats, dogs] = [heightAt(185), heightAt(488)];
    expect(dogs).toBeGreaterThan(250);
    expect(cats / dogs).toBeCloseTo(0.6, 1);
    near(chart.at(185, 300), [42, 125, 225]);
  }, 20_000);

  test("a diagram: SVG with its boxes and their words", async () => {
    const svg = await (
      await post("/diagram", "graph LR\n A[Client] --> B(Gateway) --> C{Pool}", "image/svg+xml")
    ).text();
    expect(svg).toStartWith("<svg ");
    expect(svg).toMatch(/viewBox="[-\d.]+ [-\d.]+ \d{3}/);
    for (const word of ["Client", "Gateway", "Pool"]) expect(svg).toContain(word);
    expect([...svg.matchAll(/class="node /g)].length).toBe(3);
    const wrong = await fetch(`${server.url}/diagram`, { method: "POST", body: "graph of nonsense ((" });
    expect(wrong.status).toBe(400);
  }, 30_000);

  test("WebGL: every pixel is what the shader says", async () => {
    const answer = await fetch(`${server.url}/webgl?width=200`);
    const { width, height, at } = readPng(await answer.bytes());
    expect([width, height]).toEqual([200, 200]);
    near(at(100, 100), [0, 0, 255]);
    near(at(199, 199), [255, 0, 0]);
    near(at(0, 0), [0, 255, 0]);
    near(at(199, 0), [255, 255, 0]);
    near(at(50, 10), [64, 242, 0]);
  }, 20_000);

  test("XPath over a page that is sent", async () => {
    const page = "<title>T</title><p><a href=/one>1</a> <b><a href=/two>2</a></b>";
    expect(await (await post("/xpath?q=//a/@href", page, "application/json")).json()).toEqual(["/one", "/two"]);
    expect(await (await post("/xpath", page, "application/json")).json()).toEqual(["T"]);
    expect((await fetch(`${server.url}/xpath?q=//[`, { method: "POST", body: page })).status).toBe(400);
  }, 20_000);
});

test("the types of the examples hold, with the DOM's", () => {
  const tsc = join(import.meta.dir, "..", "node_modules", "typescript", "bin", "tsc");
  const { success, stdout } = Bun.spawnSync([process.execPath, tsc, "--noEmit", "-p", EXAMPLES]);
  expect([success, stdout.toString()]).toEqual([true, ""]);
}, 60_000);
